/** Which ids of a foreign GGUF begin and end texts, and which fill rows. */
import { showValue } from '../../formats/index.js';
import type { GgufKeys } from './gguf-keys.js';

const KEY = 'tokenizer.ggml';

export interface TokenRoles {
  readonly bos_token_id: number | null;
  /** One, or several: each ends an answer, the first is the one that is written. */
  readonly eos_token_id: number | readonly number[] | null;
  readonly pad_token_id: number | null;
}

/** Tokens that end a turn, as several models call them. */
const ENDS_OF_TURN = ['<|eot_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>'];

/**
 * eos_token_id, then eot_token_id and eom_token_id: they end a turn, and llama.cpp stops at each of them. Where the file does not
 * name the end of a turn, it is the first control token of a usual name that its chat template writes.
 * @param vocabSize ids from there on are refused
 */
export function readTokenRoles(keys: GgufKeys, vocabSize: number): TokenRoles {
  const id = (role: string): number | undefined => readRole(keys, role, vocabSize);
  const eos = id('eos');
  const turn = id('eot') ?? endOfTurn(keys);
  const ends = [...new Set([eos, turn, id('eom')].filter((end) => end !== undefined))];
  return {
    bos_token_id: id('bos') ?? null,
    eos_token_id: ends.length > 1 ? ends : (ends[0] ?? null),
    pad_token_id: id('padding') ?? null,
  };
}

/** @param role bos, eos, eot, unknown, padding and others @throws InputError for an id beyond the vocabulary */
export function readRole(keys: GgufKeys, role: string, vocabSize: number): number | undefined {
  const key = `${KEY}.${role}_token_id`;
  const id = keys.count(key);
  // llama.cpp's "no such token".
  if (id === undefined || id === 2 ** 32 - 1) return undefined;
  if (id >= vocabSize) keys.fail(`${key} is ${id}, but the vocabulary has ${showValue(vocabSize)} ids.`);
  return id;
}

function endOfTurn(keys: GgufKeys): number | undefined {
  const template = keys.text('tokenizer.chat_template');
  if (template === undefined) return undefined;
  const tokens = keys.texts(`${KEY}.tokens`) ?? [];
  const text = ENDS_OF_TURN.find((candidate) => template.includes(candidate) && tokens.includes(candidate));
  return text === undefined ? undefined : tokens.indexOf(text);
}
