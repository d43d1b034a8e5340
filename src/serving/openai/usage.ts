/** Counts and times of a request, as OpenAI (usage) and llama.cpp (timings) publish them. */
import type { SequenceEnd } from '../../generation/index.js';

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

export interface Timings {
  readonly cache_n: number;
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly prompt_per_second: number;
  readonly predicted_n: number;
  readonly predicted_ms: number;
  readonly predicted_per_second: number;
}

/** Follows the sequences of a request; the choices of one prompt count its tokens once. */
export class UsageMeter {
  readonly #ends: (SequenceEnd | undefined)[];
  readonly #generated: number[];
  readonly #promptTokens: readonly number[];
  readonly #choicesPerPrompt: number;

  constructor(promptTokens: readonly number[], choicesPerPrompt: number) {
    this.#promptTokens = promptTokens;
    this.#choicesPerPrompt = choicesPerPrompt;
    const count = promptTokens.length * choicesPerPrompt;
    this.#ends = Array.from({ length: count }, () => undefined);
    this.#generated = Array.from({ length: count }, () => 0);
  }

  generated(index: number, tokens: number): void {
    this.#generated[index] = (this.#generated[index] ?? 0) + tokens;
  }

  ended(index: number, end: SequenceEnd): void {
    this.#ends[index] = end;
    this.#generated[index] = end.generatedTokens;
  }

  get usage(): Usage {
    const firsts = this.#ends.filter((_, index) => index % this.#choicesPerPrompt === 0);
    return usageOf(
      sum(this.#promptTokens),
      sum(this.#generated),
      sum(firsts.map((end) => end?.cachedTokens ?? 0)),
    );
  }

  /** Of one choice so far. */
  usageOf(index: number): Usage {
    const prompt = this.#promptTokens[Math.floor(index / this.#choicesPerPrompt)] ?? 0;
    return usageOf(prompt, this.#generated[index] ?? 0, this.#ends[index]?.cachedTokens ?? 0);
  }

  /** Sequences ran side by side: tokens add up, of the times the longest counts. */
  get timings(): Timings {
    const ends = this.#ends.filter((end) => end !== undefined);
    const { prompt_tokens, completion_tokens, prompt_tokens_details } = this.usage;
    const promptCount = prompt_tokens - prompt_tokens_details.cached_tokens;
    const promptMs = Math.max(0, ...ends.map((end) => end.prefillMs));
    const predictedMs = Math.max(0, ...ends.map((end) => end.decodeMs));
    return {
      cache_n: prompt_tokens_details.cached_tokens,
      prompt_n: promptCount,
      prompt_ms: promptMs,
      prompt_per_second: perSecond(promptCount, promptMs),
      predicted_n: completion_tokens,
      predicted_ms: predictedMs,
      // The first token of each came with the prompt.
      predicted_per_second: perSecond(completion_tokens - ends.length, predictedMs),
    };
  }
}

function usageOf(prompt: number, completion: number, cached: number): Usage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 && count > 0 ? (1000 * count) / milliseconds : 0;
}
