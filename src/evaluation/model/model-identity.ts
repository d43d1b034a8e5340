/** Which files a number was made with. */
import { dirname, join } from 'node:path';
import { fileStatus, listFolder, sha256OfFile } from '../../formats/index.js';

const WEIGHTS =
  /\.(safetensors|gguf|bin|pt|pth|ckpt|npz)$|^(config|model_config|adapter_config|generation_config)\.(json|ya?ml)$|\.index\.json$/;
const TOKENIZER =
  /^(tokenizer.*|vocab.*|merges.*|special_tokens_map|added_tokens|chat_template)\.[a-z]+$|\.(model|vocab|tiktoken|jinja)$/;

/** SHA-256 by name, of the weights and configs of a model folder or file. */
export function hashModel(path: string): Readonly<Record<string, string>> {
  return hashes(path, WEIGHTS);
}

/** The same of its tokenizer; a weight file that is the whole model holds its own. */
export function hashTokenizer(path: string): Readonly<Record<string, string>> {
  const isFile = fileStatus(path)?.isFile() === true;
  if (isFile && !/\.(safetensors|bin|ckpt|pt|pth)$/.test(path)) return { [nameOf(path)]: sha256OfFile(path) };
  return hashes(isFile ? dirname(path) : path, TOKENIZER);
}

function hashes(path: string, wanted: RegExp): Record<string, string> {
  if (fileStatus(path)?.isFile() === true) return { [nameOf(path)]: sha256OfFile(path) };
  const names = listFolder(path).filter(
    (name) => wanted.test(name) && fileStatus(join(path, name))?.isFile() === true,
  );
  return Object.fromEntries(names.map((name) => [name, sha256OfFile(join(path, name))]));
}

function nameOf(path: string): string {
  return path.split(/[/\\]/).at(-1) ?? path;
}
