/** Runs a few requests from beginning to end, for callers that do nothing else meanwhile. */
import type { CausalLm } from '../models/index.js';
import { BLOCK_SIZE } from '../nn/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { Engine } from './engine/engine.js';
import type { EngineOptions } from './engine/engine-options.js';
import { TextEngine } from './engine/text-engine.js';
import type { FinishReason, GenerationRequest, TextBeamResult, TextRequest } from './requests.js';

export interface GenerationResult {
  /** All generated ids, the stop id included. */
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
}

export interface TextResult extends GenerationResult {
  readonly text: string;
  /** Of a beam search, best first; `ids` and `text` are those of the best. */
  readonly beams?: readonly TextBeamResult[] | undefined;
}

/** Most sequences that such a run advances together; the others wait. */
const MAX_SEQUENCES = 64;

/** Runs every request to its end. `onToken` sees each token as it comes. @throws InputError */
export function generateIds(
  model: CausalLm,
  requests: readonly GenerationRequest[],
  onToken?: (request: number, id: number) => void,
): GenerationResult[] {
  const engine = new Engine(model, requiredCacheTokens(model, requests));
  const results = requests.map(() => ({ ids: [] as number[], finishReason: 'length' as FinishReason }));
  try {
    for (const [index, request] of requests.entries()) engine.submit(String(index), request);
    while (engine.hasWork)
      for (const { id, ids, end, error } of engine.step()) {
        const result = results[Number(id)];
        if (result === undefined) continue;
        if (error !== undefined) throw error;
        result.ids.push(...ids);
        if (end !== undefined) result.finishReason = end.finishReason;
        for (const token of ids) onToken?.(Number(id), token);
      }
  } finally {
    engine.dispose();
  }
  return results;
}

/** As generateIds, with text; `onText` gets each piece as soon as no later token can change it. */
export function generateText(
  model: CausalLm,
  tokenizer: Tokenizer,
  requests: readonly TextRequest[],
  onText?: (request: number, piece: string) => void,
): TextResult[] {
  const engine = new TextEngine(model, tokenizer, requiredCacheTokens(model, requests));
  const results: {
    ids: number[];
    text: string;
    finishReason: FinishReason;
    beams?: readonly TextBeamResult[];
  }[] = requests.map(() => ({ ids: [], text: '', finishReason: 'length' }));
  try {
    for (const [index, request] of requests.entries()) engine.submit(String(index), request);
    while (engine.hasWork)
      for (const { id, event, error } of engine.step()) {
        const result = results[Number(id)];
        if (result === undefined) continue;
        if (event === undefined) throw error;
        const [best] = event.beams ?? [];
        const piece = best?.text ?? event.text;
        result.ids.push(...(best?.ids ?? event.ids));
        result.text += piece;
        if (event.beams !== undefined) result.beams = event.beams;
        if (event.end !== undefined) result.finishReason = event.end.finishReason;
        if (piece !== '') onText?.(Number(id), piece);
      }
  } finally {
    engine.dispose();
  }
  return results;
}

/** A cache in which the longest of the requests run together without giving way. */
function requiredCacheTokens(
  model: CausalLm,
  requests: readonly (GenerationRequest | TextRequest)[],
): EngineOptions {
  const step = 512;
  const held = requests
    .map(({ promptIds, maxNewTokens, beams }) => {
      const length = promptIds.length + maxNewTokens;
      // Beams are counted as if nothing left the window.
      const inWindow =
        model.longestWindow === undefined || beams !== undefined
          ? length
          : Math.min(length, model.longestWindow + step + 2 * BLOCK_SIZE);
      return (inWindow + 2 * BLOCK_SIZE) * (beams?.count ?? 1);
    })
    .sort((a, b) => b - a);
  const cacheTokens = held.slice(0, MAX_SEQUENCES).reduce((sum, length) => sum + length, BLOCK_SIZE);
  return { cacheTokens, maxSequences: MAX_SEQUENCES, maxBatchTokens: step };
}
