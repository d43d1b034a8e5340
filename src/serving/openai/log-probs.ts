/** Log-probabilities in the forms of the two completion routes, and of vLLM's prompt_logprobs. */
import type { TokenLogProb, TokenLogProbs } from '../../generation/index.js';
import type { DecodeStream } from '../../tokenizers/index.js';
import type { TokenTexts } from './token-texts.js';

/** JSON has no -Infinity; what can never come is very improbable, as vLLM says it. */
const LEAST = -9999;

function finite(logProb: number): number {
  return Number.isFinite(logProb) ? logProb : LEAST;
}

function nameOf(id: number, tokens: TokenTexts, asIds: boolean): string {
  return asIds ? `token_id:${id}` : tokens.name(id);
}

export interface ChatLogProb {
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

export interface ChatLogProbs extends ChatLogProb {
  readonly top_logprobs: readonly ChatLogProb[];
}

/** An entry of choices[].logprobs.content. */
export function chatLogProbs(
  { chosen, top }: TokenLogProbs,
  tokens: TokenTexts,
  asIds: boolean,
): ChatLogProbs {
  const entry = ({ id, logProb }: TokenLogProb): ChatLogProb => ({
    token: nameOf(id, tokens, asIds),
    logprob: finite(logProb),
    bytes: [...tokens.bytes(id)],
  });
  return { ...entry(chosen), top_logprobs: top.map(entry) };
}

/** OpenAI's four arrays. */
export interface CompletionLogProbs {
  readonly tokens: string[];
  readonly token_logprobs: (number | null)[];
  readonly top_logprobs: (Record<string, number> | null)[];
  readonly text_offset: number[];
}

/** Fills the arrays of one choice; offsets are in characters (code points) of its text. */
export class CompletionLogProbsWriter {
  readonly #tokens: TokenTexts;
  readonly #stream: DecodeStream;
  readonly #asIds: boolean;
  #offset = 0;

  /** @param stream decodes what this choice's text is made of, and nothing else */
  constructor(tokens: TokenTexts, stream: DecodeStream, asIds: boolean) {
    this.#tokens = tokens;
    this.#stream = stream;
    this.#asIds = asIds;
  }

  /** @param entries one for each id; null where nothing precedes it */
  write(ids: readonly number[], entries: readonly (TokenLogProbs | null)[]): CompletionLogProbs {
    const arrays: CompletionLogProbs = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const [index, id] of ids.entries()) {
      const entry = entries[index] ?? null;
      arrays.tokens.push(nameOf(id, this.#tokens, this.#asIds));
      arrays.token_logprobs.push(entry === null ? null : finite(entry.chosen.logProb));
      arrays.top_logprobs.push(entry === null ? null : this.#top(entry));
      arrays.text_offset.push(this.#offset);
      this.#offset += [...this.#stream.push(id)].length;
    }
    return arrays;
  }

  /** The token itself is always among them: whoever compares the two finds the same number. */
  #top({ chosen, top }: TokenLogProbs): Record<string, number> {
    const entries = new Map([[nameOf(chosen.id, this.#tokens, this.#asIds), finite(chosen.logProb)]]);
    for (const { id, logProb } of top) {
      if (id === chosen.id) continue;
      const name = nameOf(id, this.#tokens, this.#asIds);
      entries.set(entries.has(name) ? `token_id:${id}` : name, finite(logProb));
    }
    // No plain assignment: a token may be called __proto__.
    return Object.fromEntries(entries);
  }
}

export interface PromptLogProb {
  readonly logprob: number;
  /** From 1; null where the token is not among those that were looked at. */
  readonly rank: number | null;
  readonly decoded_token: string;
}

/** vLLM's prompt_logprobs: for each token of the prompt the ids that were looked at. */
export function promptLogProbs(
  entries: readonly (TokenLogProbs | null)[],
  tokens: TokenTexts,
): (Record<string, PromptLogProb> | null)[] {
  return entries.map((entry) => {
    if (entry === null) return null;
    const { chosen, top } = entry;
    const ranked = top.map(({ id, logProb }, index) => ({ id, logProb, rank: index + 1 }));
    const others = ranked.some(({ id }) => id === chosen.id) ? [] : [{ ...chosen, rank: null }];
    return Object.fromEntries(
      [...others, ...ranked].map(({ id, logProb, rank }) => [
        String(id),
        { logprob: finite(logProb), rank, decoded_token: tokens.text(id) },
      ]),
    );
  });
}
