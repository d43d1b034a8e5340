/** The vocabulary of a foreign GGUF. */
import { TOKEN_TYPES } from '../convert/gguf/gguf-vocabulary.js';
import type { GgufKeys } from './gguf-keys.js';

export interface ReadToken {
  readonly text: string;
  /** One of TOKEN_TYPES. */
  readonly type: number;
}

const LAST_TYPE = Math.max(...Object.values(TOKEN_TYPES));
/** That of the other readers: tables are as long as the highest id. */
const MAX_TOKENS = 2 ** 22;

/** Id by id. @throws InputError for lists that are missing, of different lengths, or of unknown types */
export function readTokens(keys: GgufKeys): ReadToken[] {
  const texts = keys.texts('tokenizer.ggml.tokens') ?? keys.fail('tokenizer.ggml.tokens is missing.');
  if (texts.length === 0 || texts.length > MAX_TOKENS)
    keys.fail(`tokenizer.ggml.tokens has ${texts.length} tokens; 1 to ${MAX_TOKENS} are read.`);
  const types = keys.numbers('tokenizer.ggml.token_type') ?? texts.map(() => TOKEN_TYPES.normal);
  if (types.length !== texts.length)
    keys.fail(
      `tokenizer.ggml.token_type has ${types.length} entries, but there are ${texts.length} tokens; the file is damaged.`,
    );
  return texts.map((text, id) => {
    const type = types[id] ?? 0;
    if (!Number.isInteger(type) || type < 1 || type > LAST_TYPE)
      keys.fail(`tokenizer.ggml.token_type is ${type} for token ${id}; known are 1 to ${LAST_TYPE}.`);
    return { text, type };
  });
}

/** Does llama.cpp find a token of this type in the text before it merges anything? */
export function isAddedType(type: number): boolean {
  return type === TOKEN_TYPES.control || type === TOKEN_TYPES['user-defined'] || type === TOKEN_TYPES.unknown;
}
