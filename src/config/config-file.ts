/** Reads a configuration file, JSON or YAML, into plain values. */
import { readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError, messageOf } from '../errors/index.js';
import { parseStrictJson } from './json.js';
import { type NotedValue, parseYaml, parseYaml11 } from './yaml.js';

/** Bytes. Configurations are written by hand. */
const MAX_CONFIG_BYTES = 8 * 2 ** 20;

/**
 * The plain value of a .json, .yaml or .yml file.
 * @throws InputError naming the file and, for a fault in the text, line and column; duplicate keys are faults.
 */
export function readConfigFile(path: string): unknown {
  const extension = extname(path).toLowerCase();
  if (!['.json', '.yaml', '.yml'].includes(extension)) {
    throw new InputError(
      `${path}: a configuration must be a .json, .yaml or .yml file, found "${extension}".`,
    );
  }
  const text = readConfigText(path);
  if (extension !== '.json') {
    const value = parseYaml(text, path);
    if (value === undefined)
      throw new InputError(`${path} is empty; a configuration needs at least one key.`);
    return value;
  }
  const value = parseStrictJson(text, path);
  parseYaml(text, path, 'JSON'); // JSON is YAML, and this parser finds duplicate keys.
  return value;
}

/**
 * A file that another program reads with PyYAML; JSON as readConfigFile.
 * @throws InputError as readConfigFile, but of a key that stands twice the last counts, with a note
 */
export function readYaml11File(path: string): NotedValue {
  if (!/\.ya?ml$/i.test(path)) return { value: readConfigFile(path), notes: [] };
  return parseYaml11(readConfigText(path), path);
}

/** @throws InputError for a file that is not there, too large or no UTF-8 */
export function readConfigText(path: string): string {
  try {
    const status = statSync(path);
    if (!status.isFile()) throw new InputError(`${path} is not a file.`);
    if (status.size > MAX_CONFIG_BYTES) {
      throw new InputError(`${path} has ${status.size} bytes; a configuration may have ${MAX_CONFIG_BYTES}.`);
    }
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    if (error instanceof InputError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new InputError(`${path} does not exist; check the path.`);
    if (error instanceof TypeError) throw new InputError(`${path} is not valid UTF-8; save it as UTF-8.`);
    throw new InputError(`${path} cannot be read: ${messageOf(error)}.`);
  }
}
