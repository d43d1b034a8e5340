/** Chat templates among the files of a model. */
import { InputError } from '../../errors/index.js';
import { fileStatus, type GgufValue, parseJson, readFileStart, readGgufFile } from '../../formats/index.js';
import { readAuxiliaryFile } from '../auxiliary-files.js';
import { embeddedFiles } from '../convert/gguf/gguf-files.js';
import { configValue } from '../family.js';

export interface NamedTemplate {
  /** "default" for the one of plain conversations. */
  readonly name: string;
  readonly text: string;
  /** Where it stands, for messages. */
  readonly source: string;
}

/**
 * Those of the model at `path`: chat_template.jinja, which wins over `chat_template` of tokenizer_config.json (a text, or a list of
 * {name, template}); of a GGUF `tokenizer.chat_template`.
 * @throws InputError for a value of another form
 */
export function modelTemplates(path: string): NamedTemplate[] {
  // One that says it itself has nothing to do with what lies beside it.
  const inside = embeddedFiles(path).areOurs ? [] : ggufTemplates(path);
  if (inside.length > 0) return inside;
  const named = configTemplates(path);
  const file = readAuxiliaryFile(path, 'chat_template.jinja');
  const own = file === undefined ? [] : [template('default', file, `${path}: chat_template.jinja`)];
  const others = named.filter(({ name }) => own.length === 0 || name !== 'default');
  return [...own, ...others];
}

function configTemplates(path: string): NamedTemplate[] {
  const text = readAuxiliaryFile(path, 'tokenizer_config.json');
  if (text === undefined) return [];
  const source = `${path}: tokenizer_config.json`;
  const value = configValue(parseJson(text, source), 'chat_template');
  const place = `${source}: chat_template`;
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [template('default', value, place)];
  if (!Array.isArray(value))
    throw new InputError(`${place} is ${typeof value}; expected a text, or a list of {"name", "template"}.`);
  const list: readonly unknown[] = value;
  return list.map((entry, index) => {
    const [name, each] = [configValue(entry, 'name'), configValue(entry, 'template')];
    if (typeof name === 'string' && typeof each === 'string')
      return template(name, each, `${place} "${name}"`);
    throw new InputError(`${place}[${index}] is no {"name", "template"} of two texts.`);
  });
}

const GGUF_KEY = 'tokenizer.chat_template';

function ggufTemplates(path: string): NamedTemplate[] {
  if (fileStatus(path)?.isFile() !== true || readFileStart(path, 4).toString('latin1') !== 'GGUF') return [];
  const { metadata } = readGgufFile(path);
  const texts: NamedTemplate[] = [];
  const add = (name: string, key: string, value: GgufValue | undefined): void => {
    if (value?.type === 'string') texts.push(template(name, value.value, `${path}: ${key}`));
  };
  add('default', GGUF_KEY, metadata.get(GGUF_KEY));
  // llama.cpp writes further ones beside it.
  for (const [key, value] of metadata)
    if (key.startsWith(`${GGUF_KEY}.`)) add(key.slice(GGUF_KEY.length + 1), key, value);
  return texts;
}

function template(name: string, text: string, source: string): NamedTemplate {
  return { name, text, source };
}
