/** Token ids to text while they come: stop ids end the text and are no part of it. */
import type { CausalLm } from '../models/index.js';
import type { DecodeStream, Tokenizer } from '../tokenizers/index.js';
import { type FinishReason, GenerationBatch, type GenerationRequest } from './generation-batch.js';

export interface GenerationResult {
  /** All generated ids, the stop id included. */
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
}

export interface TextResult extends GenerationResult {
  readonly text: string;
}

/** Runs every request to its end. `onToken` sees each token as it comes. */
export function generateIds(
  model: CausalLm,
  requests: readonly GenerationRequest[],
  onToken?: (request: number, id: number) => void,
): GenerationResult[] {
  if (requests.length === 0) return [];
  const batch = new GenerationBatch(model, requests);
  const results = requests.map(() => ({ ids: [] as number[], finishReason: 'length' as FinishReason }));
  try {
    while (!batch.isFinished)
      for (const { request, id, finishReason } of batch.step()) {
        const result = results[request];
        if (result === undefined) continue;
        result.ids.push(id);
        if (finishReason !== undefined) result.finishReason = finishReason;
        onToken?.(request, id);
      }
  } finally {
    batch.dispose();
  }
  return results;
}

/** As generateIds, with text; `onText` gets each piece as soon as no later token can change it. */
export function generateText(
  model: CausalLm,
  tokenizer: Tokenizer,
  requests: readonly GenerationRequest[],
  onText?: (request: number, piece: string) => void,
): TextResult[] {
  const streams: DecodeStream[] = requests.map(() =>
    tokenizer.createDecodeStream({ skipSpecialTokens: true }),
  );
  const texts = requests.map(() => '');
  const emit = (request: number, piece: string | undefined): void => {
    if (piece === undefined || piece === '') return;
    texts[request] += piece;
    onText?.(request, piece);
  };
  const limited = requests.map((request) => ({ ...request, vocabLimit: tokenizer.vocabSize }));
  const results = generateIds(model, limited, (request, id) => {
    if (requests[request]?.stopTokenIds?.includes(id) !== true) emit(request, streams[request]?.push(id));
  });
  return results.map((result, request) => {
    emit(request, streams[request]?.end());
    return { ...result, text: texts[request] ?? '' };
  });
}
