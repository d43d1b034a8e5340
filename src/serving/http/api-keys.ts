/**
 * Bearer keys. Only their SHA-256 is kept, and compared in constant time. They come from a file or the environment, never
 * from the command line, where every user of the machine could read them.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';
import { HttpError } from './http-error.js';
import type { Access } from './route.js';

interface StoredKey {
  /** For the log: key-1, admin-1, or the name from the file. */
  readonly name: string;
  readonly hash: Buffer;
  readonly isAdmin: boolean;
}

export interface ApiKeyTexts {
  readonly keys: readonly string[];
  readonly adminKeys?: readonly string[] | undefined;
}

/** Shorter ones are guessed. */
const MIN_LENGTH = 8;

export class ApiKeys {
  readonly #keys: readonly StoredKey[];

  /** Each key alone, or `name:key` as it stands in a key file. @throws InputError for a key too short, or given twice */
  constructor({ keys, adminKeys = [] }: ApiKeyTexts = { keys: [] }) {
    this.#keys = [
      ...keys.map((text, index) => storedKey(text, `key-${index + 1}`, false)),
      ...adminKeys.map((text, index) => storedKey(text, `admin-${index + 1}`, true)),
    ];
    for (const [index, key] of this.#keys.entries())
      if (this.#keys.slice(0, index).some(({ hash }) => hash.equals(key.hash)))
        throw new InputError(`API keys: ${key.name} is the same key as another; give each key once.`);
  }

  /** False: whoever reaches the server may use it (but for admin routes, which then nobody may). */
  get isRequired(): boolean {
    return this.#keys.some(({ isAdmin }) => !isAdmin);
  }

  /**
   * @param authorization the request's header
   * @returns the name of the key that was given, if any is known
   * @throws HttpError 401 without a valid key where one is needed, 403 for an ordinary key on an admin route
   */
  check(authorization: string | undefined, access: Access): string | undefined {
    const key = this.#find(authorization);
    switch (access) {
      case 'open':
        return key?.name;
      case 'key':
        if (key === undefined && this.isRequired) throw unauthorized(authorization);
        return key?.name;
      case 'admin':
        if (key?.isAdmin === true) return key.name;
        if (key !== undefined) throw forbidden();
        if (this.#keys.some(({ isAdmin }) => isAdmin)) throw unauthorized(authorization);
        throw noAdminKeys();
      default:
        throw new Error(`unknown access ${access satisfies never}`);
    }
  }

  isAdmin(authorization: string | undefined): boolean {
    return this.#find(authorization)?.isAdmin === true;
  }

  #find(authorization: string | undefined): StoredKey | undefined {
    const text = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (text === undefined) return undefined;
    const hash = sha256(text);
    let found: StoredKey | undefined;
    // All of them are compared, so that the time says nothing of which one matched.
    for (const key of this.#keys) if (timingSafeEqual(key.hash, hash)) found = key;
    return found;
  }
}

/**
 * One key a line, `key` or `name:key`; empty lines and lines that begin with # are left out.
 * @throws InputError if the file cannot be read or holds no key
 */
export function readKeyFile(path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(`The key file ${path} cannot be read: ${messageOf(error)}.`);
  }
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw new InputError(`The key file ${path} holds no key; write one a line.`);
  return keys;
}

function storedKey(text: string, defaultName: string, isAdmin: boolean): StoredKey {
  const named = /^([A-Za-z][\w.-]*):(.*)$/.exec(text);
  const name = named?.[1] ?? defaultName;
  const key = named?.[2] ?? text;
  if (key.length < MIN_LENGTH || !/^[\x21-\x7e]+$/.test(key))
    throw new InputError(
      `API keys: ${name} has ${key.length} characters; give at least ${MIN_LENGTH}, ASCII without spaces.`,
    );
  return { name, hash: sha256(key), isAdmin };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function unauthorized(authorization: string | undefined): HttpError {
  return new HttpError(401, {
    message:
      authorization === undefined
        ? 'This server wants an API key: send the header "Authorization: Bearer <key>".'
        : 'The API key is not known here.',
    code: 'invalid_api_key',
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** Nobody has one, so no key would help. */
function noAdminKeys(): HttpError {
  return new HttpError(401, {
    message: 'This route wants an admin key, and this server has none: start it with --admin-key-file.',
    code: 'admin_key_required',
    headers: { 'www-authenticate': 'Bearer' },
  });
}

function forbidden(): HttpError {
  return new HttpError(403, { message: 'This route wants an admin key.', code: 'admin_key_required' });
}
