/** How many tokens the KV cache may hold on this machine. */
import { InputError } from '../../errors/index.js';
import type { EngineSettings } from '../../generation/index.js';
import { formatBytes } from '../../log/index.js';

export interface CacheConstraints {
  readonly bytesPerToken: number;
  /** What can be allocated when the weights are there; undefined where nobody knows (a device of its own). */
  readonly freeBytes: number | undefined;
  /** Longest sequence that the model is served with; undefined: as long as the cache allows. */
  readonly maxLength: number | undefined;
  readonly maxSequences: number;
}

/** Without a wish the cache takes at most this share of the free memory: the machine has other work too. */
const SHARE = 0.4;
/** And no more than this for each sequence that may run, nor than this in all. */
const TOKENS_PER_SEQUENCE = 4096;
const MAX_TOKENS = 262_144;
/** Where nobody knows how much there is. */
const TOKENS_UNKNOWN_MEMORY = 16_384;
/** Below this a server is of no use. */
const MIN_TOKENS = 256;

/** @throws InputError with the numbers, if it does not fit */
export function cacheTokens(
  { cacheTokens: tokens, cacheBytes: bytes }: Pick<EngineSettings, 'cacheTokens' | 'cacheBytes'>,
  situation: CacheConstraints,
): number {
  const { bytesPerToken, freeBytes = Number.POSITIVE_INFINITY, maxLength = 0, maxSequences } = situation;
  const wished = tokens ?? (bytes === undefined ? undefined : Math.floor(bytes / bytesPerToken));
  const minTokens = Math.max(MIN_TOKENS, maxLength);
  const maxTokens = Math.min(MAX_TOKENS, maxSequences * TOKENS_PER_SEQUENCE);
  const byMemory =
    freeBytes === Number.POSITIVE_INFINITY
      ? TOKENS_UNKNOWN_MEMORY
      : Math.floor((freeBytes * SHARE) / bytesPerToken);
  const chosen = wished ?? Math.max(Math.min(maxTokens, byMemory), Math.min(minTokens, 2 * byMemory));
  const size = (count: number): string => formatBytes(count * bytesPerToken);
  const perToken = `${formatBytes(bytesPerToken)} for each token`;
  if (chosen * bytesPerToken > freeBytes)
    throw new InputError(
      `The KV cache of ${chosen} tokens needs ${size(chosen)} (${perToken}), and ${formatBytes(freeBytes)} of memory are ` +
        `free beside the weights. Give --kv-cache-tokens ${Math.floor((freeBytes * 0.8) / bytesPerToken)} or less, ` +
        'or --kv-dtype int8.',
    );
  const minWished = situation.maxLength ?? MIN_TOKENS;
  if (wished !== undefined && wished < minWished)
    throw new InputError(
      `${bytes === undefined ? `--kv-cache-tokens ${wished}` : `--kv-cache-memory of ${formatBytes(bytes)}`} is too small: it ` +
        `holds ${wished} tokens (${perToken}), and ${maxLength > 0 ? `one text has up to ${maxLength}` : `a server needs ${MIN_TOKENS}`}. ` +
        `The least that works is ${bytes === undefined ? `--kv-cache-tokens ${minWished}` : `--kv-cache-memory ${minMemory(minWished * bytesPerToken)}`}` +
        `${maxLength > 0 ? ', or give a smaller --max-model-len' : ''}.`,
    );
  if (chosen < maxLength || chosen < 1 || (wished === undefined && chosen < MIN_TOKENS))
    throw new InputError(
      `The KV cache would hold ${chosen} tokens (${size(chosen)}, ${perToken}), fewer than the ${minTokens} of one text` +
        `${freeBytes === Number.POSITIVE_INFINITY ? '' : `; ${formatBytes(freeBytes)} of memory are free`}. ` +
        'Give more by --kv-cache-memory, or a smaller --max-model-len, or --kv-dtype int8.',
    );
  return chosen;
}

/** As an option takes it, never less than the bytes: 8388609 is "8389KB". */
function minMemory(bytes: number): string {
  return bytes < 1e7 ? `${Math.ceil(bytes / 1e3)}KB` : `${Math.ceil(bytes / 1e6)}MB`;
}
