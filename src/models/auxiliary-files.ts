/** What lies beside the weights in a model folder and goes with them: config, tokenizer, generation settings. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { quantizationOf, withoutQuantization } from '../checkpoint/index.js';
import { fileStatus, listFolder, readJsonFile } from '../formats/index.js';
import { embeddedFiles, readEmbeddedFiles } from './convert/gguf/gguf-files.js';

const AUXILIARY_FILES =
  /^(config\.json|model_config[^/]*\.ya?ml|tokenizer\.json|.*\.model|.*\.vocab|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|generation_config\.json|chat_template\.jinja)$/;

/** Copies them from the folder of the weights at `from`, or out of a GGUF that holds its tokenizer. @param configPath a config that lies elsewhere */
export function copyAuxiliaryFiles(from: string, folder: string, configPath?: string): void {
  const source = fileStatus(from)?.isDirectory() === true ? from : dirname(from);
  const inside = readEmbeddedFiles(from);
  for (const [name, content] of inside) writeFileSync(join(folder, name), content);
  // What lies beside such a file may be another model's.
  for (const name of inside.length > 0 ? [] : listFolder(source))
    if (AUXILIARY_FILES.test(name) && fileStatus(join(source, name))?.isFile() === true)
      copyAuxiliaryFile(join(source, name), join(folder, name));
  if (configPath === undefined) return;
  const name = configPath.endsWith('.json') ? 'config.json' : 'model_config.yaml';
  copyAuxiliaryFile(configPath, join(folder, basename(configPath) === name ? basename(configPath) : name));
}

/** As it is, but for what a config says of integers: the weights beside the copy are floats. */
function copyAuxiliaryFile(from: string, to: string): void {
  const config = basename(to) === 'config.json' ? readJsonFile(from) : undefined;
  if (quantizationOf(config) === undefined) copyFileSync(from, to);
  else writeFileSync(to, `${JSON.stringify(withoutQuantization(config, from), null, 2)}\n`);
}

/** The text of a side file of the model at `path`: inside a GGUF that has its tokenizer, else in the folder; undefined without one. */
export function readAuxiliaryFile(path: string, name: string): string | undefined {
  const inside = embeddedFiles(path);
  if (inside.names.length > 0) return inside.read(name)?.toString('utf8');
  const file = join(fileStatus(path)?.isDirectory() === true ? path : dirname(path), name);
  return fileStatus(file)?.isFile() === true ? readFileSync(file, 'utf8') : undefined;
}
