/** A model to a folder that every command loads: weights, config, tokenizer. */
import { copyFileSync, readdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { stringify } from 'yaml';
import { saveWeights } from '../checkpoint/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus, writeFileAtomic, writeFolderAtomic } from '../formats/index.js';
import { readEmbeddedFiles } from './convert/gguf/gguf-files.js';
import type { LoadedModel } from './load-model.js';

/** Files that a tokenizer folder may hold beside each other. */
const TOKENIZER_FILES =
  /^(tokenizer\.json|.*\.model|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|generation_config\.json|chat_template\.jinja)$/;

const CHAT_TEMPLATE = 'chat_template.jinja';

/** What lies beside the weights: the config as text, tokenizer files by their place. */
export interface AuxiliaryFile {
  readonly name: string;
  readonly content: string | Uint8Array | { readonly file: string };
}

/**
 * @param tokenizerPath a tokenizer file or folder to copy beside the weights
 * @param chatTemplate in place of the one beside the tokenizer
 */
export function auxiliaryFilesOf(
  { architecture }: LoadedModel,
  tokenizerPath?: string,
  chatTemplate?: string,
): AuxiliaryFile[] {
  const { configFile, publishedConfig } = architecture;
  const config =
    configFile === 'config.json'
      ? `${JSON.stringify(publishedConfig, null, 2)}\n`
      : stringify(publishedConfig);
  const files = tokenizerPath === undefined ? [] : tokenizerFiles(tokenizerPath);
  return [
    { name: configFile, content: config },
    ...files.filter(({ name }) => chatTemplate === undefined || name !== CHAT_TEMPLATE),
    ...(chatTemplate === undefined ? [] : [{ name: CHAT_TEMPLATE, content: chatTemplate }]),
  ];
}

/**
 * Writes the whole folder or nothing.
 * @param tokenizerPath a tokenizer file or folder to copy beside the weights
 * @param chatTemplate in place of the one beside the tokenizer
 */
export async function saveModel(
  folder: string,
  loaded: LoadedModel,
  tokenizerPath?: string,
  chatTemplate?: string,
): Promise<void> {
  const { model, architecture } = loaded;
  await writeFolderAtomic(
    folder,
    (temporary) => {
      saveWeights(model, architecture.names, temporary);
      for (const { name, content } of auxiliaryFilesOf(loaded, tokenizerPath, chatTemplate))
        if (typeof content === 'string' || content instanceof Uint8Array)
          writeFileAtomic(join(temporary, name), content);
        else copyFileSync(content.file, join(temporary, name));
    },
    { replace: true },
  );
}

/** The files that make up a tokenizer, by the path of one of them or of their folder. @throws InputError if it is not there */
export function tokenizerFilesOf(path: string): string[] {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`${path}: no such tokenizer file or folder.`);
  if (!status.isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => TOKENIZER_FILES.test(name))
    .map((name) => join(path, name));
}

/** Of a tokenizer file or folder, or of a GGUF that holds one. */
function tokenizerFiles(path: string): AuxiliaryFile[] {
  const inside = readEmbeddedFiles(path);
  if (inside.length > 0) return inside.map(([name, content]) => ({ name, content }));
  if (fileStatus(path)?.isDirectory() === true)
    return tokenizerFilesOf(path).map((file) => ({ name: basename(file), content: { file } }));
  // A folder is searched for this name.
  return [{ name: extname(path) === '.json' ? 'tokenizer.json' : basename(path), content: { file: path } }];
}
