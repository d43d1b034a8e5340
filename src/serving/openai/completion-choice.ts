/** One choice of POST /v1/completions, built from the engine's events. */
import { createDetokenizer, type TextEvent, type TokenLogProbs } from '../../generation/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { type CompletionLogProbs, CompletionLogProbsWriter } from './log-probs.js';
import type { CompletionPrompt } from './prompt-ids.js';
import type { TokenTexts } from './token-texts.js';

export interface CompletionChoiceOptions {
  readonly prompt: CompletionPrompt;
  readonly tokenizer: Tokenizer;
  readonly tokens: TokenTexts;
  readonly isEcho: boolean;
  readonly continuesPrompt: boolean;
  /** How many beside the token itself; undefined: no log-probabilities. */
  readonly logProbs: number | undefined;
  readonly skipSpecialTokens: boolean;
  readonly asTokenIds: boolean;
}

export interface CompletionPiece {
  readonly text: string;
  readonly logProbs: CompletionLogProbs | null;
}

export class CompletionChoice {
  readonly #options: CompletionChoiceOptions;
  readonly #writer: CompletionLogProbsWriter | undefined;
  readonly #logProbs: CompletionLogProbs = {
    tokens: [],
    token_logprobs: [],
    top_logprobs: [],
    text_offset: [],
  };
  readonly ids: number[] = [];
  #text = '';
  #isBegun = false;
  promptLogProbs: readonly (TokenLogProbs | null)[] | undefined;

  constructor(options: CompletionChoiceOptions) {
    this.#options = options;
    const { prompt, tokenizer, tokens, isEcho, continuesPrompt, logProbs, skipSpecialTokens, asTokenIds } =
      options;
    if (logProbs !== undefined)
      this.#writer = new CompletionLogProbsWriter(
        tokens,
        isEcho
          ? tokenizer.createDecodeStream({ skipSpecialTokens })
          : createDetokenizer(tokenizer, {
              promptIds: prompt.ids,
              skipSpecialTokens,
              continuesPrompt,
            }),
        asTokenIds,
      );
  }

  /** What an event adds; the prompt, if it is to be echoed, with the first. */
  push(event: Pick<TextEvent, 'text' | 'ids' | 'logProbs' | 'promptLogProbs'>): CompletionPiece {
    const isFirst = !this.#isBegun;
    this.#isBegun = true;
    this.promptLogProbs ??= event.promptLogProbs;
    this.ids.push(...event.ids);
    const text = isFirst ? this.#echo() + event.text : event.text;
    this.#text += text;
    if (this.#writer === undefined) return { text, logProbs: null };
    const { isEcho, logProbs = 0, prompt } = this.#options;
    const logged =
      isFirst && isEcho
        ? this.#writer.write(
            prompt.ids,
            (event.promptLogProbs ?? []).map((entry) => cut(entry, logProbs)),
          )
        : undefined;
    const generated = this.#writer.write(event.ids, event.logProbs ?? []);
    const all = logged === undefined ? generated : joined(logged, generated);
    append(this.#logProbs, all);
    return { text, logProbs: all };
  }

  get text(): string {
    return this.#text;
  }

  get logProbs(): CompletionLogProbs | null {
    return this.#writer === undefined ? null : this.#logProbs;
  }

  #echo(): string {
    const { isEcho, prompt, tokenizer, skipSpecialTokens } = this.#options;
    if (!isEcho) return '';
    return prompt.text ?? tokenizer.decode(prompt.ids, { skipSpecialTokens });
  }
}

/** More may have been looked at for prompt_logprobs. */
function cut(entry: TokenLogProbs | null, count: number): TokenLogProbs | null {
  return entry === null ? null : { chosen: entry.chosen, top: entry.top.slice(0, count) };
}

function joined(first: CompletionLogProbs, second: CompletionLogProbs): CompletionLogProbs {
  append(first, second);
  return first;
}

/** No spread: a prompt may have more tokens than a call has arguments. */
function append(target: CompletionLogProbs, source: CompletionLogProbs): void {
  for (const token of source.tokens) target.tokens.push(token);
  for (const value of source.token_logprobs) target.token_logprobs.push(value);
  for (const value of source.top_logprobs) target.top_logprobs.push(value);
  for (const value of source.text_offset) target.text_offset.push(value);
}
