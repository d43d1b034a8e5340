/** Loads a tokenizer of either kind, recognised by content. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, messageOf } from '../errors/index.js';
import { parseJson } from '../formats/index.js';
import { type AddedToken, ROLES, type Role } from './added-token.js';
import { type FolderTokens, plainSpecial, readFolderTokens } from './folder-tokens.js';
import { HuggingFaceTokenizer } from './huggingface/huggingface-tokenizer.js';
import { parseSentencePieceModel, type SentencePieceModel } from './sentencepiece/model-file.js';
import { SentencePieceTokenizer } from './sentencepiece/sentencepiece-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';

export interface LoadTokenizerOptions {
  /**
   * For SentencePiece models in Spark's manner: before encoding a newline becomes this token and a tab four
   * spaces; after decoding the token becomes a newline. Default: neither.
   */
  readonly newlineToken?: string;
}

/**
 * Loads a SentencePiece `.model`, a `tokenizer.json` (told apart by content), or a folder that holds
 * `tokenizer.json`, `tokenizer.model` or a single other `*.model`. In a folder, tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json are honoured: they name bos, eos, pad and unk, and beside a
 * `.model` they declare the tokens that are split out of a text before SentencePiece sees it. A file named by
 * itself is taken by itself.
 * @throws InputError if the path or its content is no tokenizer that we can use.
 */
export function loadTokenizer(path: string, options: LoadTokenizerOptions = {}): Tokenizer {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const file = isFolder ? findTokenizerFile(path) : path;
  const bytes = readBytes(file);
  const folderTokens = isFolder ? readFolderTokens(path) : undefined;
  return parseTokenizer(bytes, file, options, folderTokens);
}

/** Builds a tokenizer from the bytes of a file; `source` names it in messages. */
export function parseTokenizer(
  bytes: Uint8Array,
  source: string,
  options: LoadTokenizerOptions = {},
  folderTokens?: FolderTokens,
): Tokenizer {
  if (!looksLikeJson(bytes)) {
    const model = parseSentencePieceModel(bytes, source);
    return new SentencePieceTokenizer(model, source, {
      ...options,
      ...(folderTokens ? sentencePieceOptions(folderTokens, model) : {}),
    });
  }
  if (options.newlineToken !== undefined) {
    throw new InputError(`${source} is a tokenizer.json; a newline token is for SentencePiece models only.`);
  }
  const json = parseJson(decodeText(bytes, source), source);
  if (!folderTokens) return new HuggingFaceTokenizer(json, source);
  return new HuggingFaceTokenizer(json, source, folderTokens.roles);
}

/** The tokenizer of a folder. @throws InputError if it has none, or several */
export function findTokenizerFile(folder: string): string {
  for (const name of ['tokenizer.json', 'tokenizer.model']) {
    if (existsSync(join(folder, name))) return join(folder, name);
  }
  const models = readdirSync(folder).filter((name) => name.endsWith('.model'));
  if (models.length === 1) return join(folder, models[0]!);
  throw new InputError(
    `${folder} holds no tokenizer.json and no tokenizer.model${models.length > 1 ? ` but several others (${models.join(', ')})` : ''}; name the file itself.`,
  );
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new InputError(`The tokenizer ${path} cannot be read: ${messageOf(error)}.`);
  }
}

/** JSON objects begin with `{` and then a key or `}`; a SentencePiece model with a field tag and a length. */
export function looksLikeJson(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.subarray(0, 64)).toString('latin1');
  return /^(?:\u00ef\u00bb\u00bf)?\s*\{\s*(?:["}]|$)/.test(head);
}

function decodeText(bytes: Uint8Array, source: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InputError(`${source} is not valid UTF-8, as a tokenizer.json must be. The file is damaged.`);
  }
}

/** Roles that the folder does not name fall to the model's own pieces, as in the published tokenizer classes. */
function sentencePieceOptions(folder: FolderTokens, model: SentencePieceModel) {
  const ids = new Map(model.pieces.map((piece, id) => [piece.text, id]));
  const own: Record<Role, string> = {
    bos: model.bosPiece,
    eos: model.eosPiece,
    pad: model.padPiece,
    unk: model.unkPiece,
  };
  const roles = new Map(folder.roles);
  const tokens = new Map(folder.added);
  for (const role of ROLES) {
    if (roles.has(role) || !ids.has(own[role])) continue;
    roles.set(role, own[role]);
    if (!tokens.has(own[role])) tokens.set(own[role], plainSpecial(own[role]));
  }
  const addedTokens: AddedToken[] = [];
  let nextId = [...tokens.values()].reduce((next, token) => Math.max(next, (token.id ?? -1) + 1), ids.size);
  for (const token of tokens.values()) {
    const id = token.id ?? ids.get(token.content) ?? nextId++;
    addedTokens.push({ ...token, id });
  }
  return { addedTokens, roles, addBosToken: folder.addBosToken, addEosToken: folder.addEosToken };
}
