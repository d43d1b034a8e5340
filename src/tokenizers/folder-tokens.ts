/** Special and added tokens from the JSON files beside a tokenizer. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '../formats/index.js';
import { type AddedToken, ROLES, type Role } from './added-token.js';
import { JsonFields } from './json-fields.js';

/** An added token whose id is known only if a file gives it. */
export interface FolderToken extends Omit<AddedToken, 'id'> {
  readonly id: number | undefined;
}

/** What the small JSON files beside a tokenizer say. */
export interface FolderTokens {
  /** Content of the token in each role. */
  readonly roles: ReadonlyMap<Role, string>;
  /** Added tokens, those of the roles included, by content. */
  readonly added: ReadonlyMap<string, FolderToken>;
  readonly addBosToken: boolean;
  readonly addEosToken: boolean;
}

const MAX_ID = 2 ** 22 - 1;

/**
 * Reads tokenizer_config.json, special_tokens_map.json and added_tokens.json of a folder, as far as they are there;
 * undefined if none is. Other keys of these files are for other purposes and are not looked at.
 */
export function readFolderTokens(folder: string): FolderTokens | undefined {
  return parseFolderTokens((name) => {
    const source = join(folder, name);
    return existsSync(source) ? { json: readJsonFile(source), source } : undefined;
  });
}

/** The same of files that lie elsewhere. @param read the content of the file of a name, and its name for messages */
export function parseFolderTokens(
  read: (name: string) => { readonly json: unknown; readonly source: string } | undefined,
): FolderTokens | undefined {
  const [config, map, ids] = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'].map(
    (name) => {
      const file = read(name);
      return file === undefined ? undefined : new JsonFields(file.json, `${file.source}:`);
    },
  );
  if (!config && !map && !ids) return undefined;
  const added = new Map<string, FolderToken>();
  const add = (token: FolderToken) => {
    const known = added.get(token.content);
    added.set(token.content, known ? { ...known, special: known.special || token.special } : token);
  };
  if (config?.has('added_tokens_decoder')) {
    const decoder = config.object('added_tokens_decoder');
    for (const [key] of decoder.entries()) {
      if (!/^\d{1,7}$/.test(key) || Number(key) > MAX_ID)
        throw decoder.mismatch(key, `under an id from 0 to ${MAX_ID}`);
      add(readToken(decoder.object(key), Number(key), false));
    }
  }
  for (const [content] of ids?.entries() ?? []) {
    const id = ids!.integer(content, MAX_ID);
    add({ id, content, special: false, singleWord: false, lstrip: false, rstrip: false, normalized: true });
  }
  const roles = new Map<Role, string>();
  for (const fields of [config, map]) {
    for (const role of ROLES) {
      const key = `${role}_token`;
      if (!fields?.has(key)) continue;
      const token = readSpecial(fields, key);
      roles.set(role, token.content);
      add(token);
    }
  }
  for (const fields of [config, map]) {
    if (!fields?.has('additional_special_tokens')) continue;
    for (const [index, item] of fields.array('additional_special_tokens').entries()) {
      const location = `${fields.at('additional_special_tokens')}[${index}]`;
      add(
        typeof item === 'string'
          ? plainSpecial(item)
          : readToken(new JsonFields(item, location), undefined, true),
      );
    }
  }
  return {
    roles,
    added,
    addBosToken: config?.boolean('add_bos_token', false) ?? false,
    addEosToken: config?.boolean('add_eos_token', false) ?? false,
  };
}

/** A special token given as a string or as an object with its matching rules. */
function readSpecial(fields: JsonFields, key: string): FolderToken {
  return typeof fields.value(key) === 'string'
    ? plainSpecial(fields.string(key))
    : readToken(fields.object(key), undefined, true);
}

export function plainSpecial(content: string): FolderToken {
  return {
    id: undefined,
    content,
    special: true,
    singleWord: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  };
}

function readToken(fields: JsonFields, id: number | undefined, special: boolean): FolderToken {
  const content = fields.string('content');
  if (content === '') throw fields.mismatch('content', 'a string of at least one character');
  return {
    id,
    content,
    special: special || fields.boolean('special', false),
    singleWord: fields.boolean('single_word', false),
    lstrip: fields.boolean('lstrip', false),
    rstrip: fields.boolean('rstrip', false),
    normalized: fields.boolean('normalized', false),
  };
}
