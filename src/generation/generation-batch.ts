/**
 * A few sequences that advance together, one forward pass a step. This is the part that knows the model; what to do
 * with the tokens (print, stream, stop early) is the caller's, who drives `step`.
 *
 * Shapes: B batch, T tokens, V vocabulary.
 */
import { InputError } from '../errors/index.js';
import type { CausalLm } from '../models/index.js';
import type { KvCache } from '../nn/index.js';
import { cat, intTensor, noGrad, ones, scope, type Tensor } from '../tensor/index.js';
import { createPenalties, type Penalty } from './penalties.js';
import { Sampler } from './sampler.js';
import type { LogitsRow, SamplingParameters } from './sampling-parameters.js';

export interface GenerationRequest {
  /** Ids of the vocabulary, at least one. */
  readonly promptIds: readonly number[];
  /** 0 where the prompt is padding; default: where the model's unseenTokenId stands. Same length as promptIds. */
  readonly attentionMask?: readonly number[] | undefined;
  readonly maxNewTokens: number;
  /** Default greedy. */
  readonly sampling?: SamplingParameters | undefined;
  /** Only ids below are generated, for vocabularies padded beyond their tokenizer. Default: all. */
  readonly vocabLimit?: number | undefined;
  /** Ids that end the sequence; they are part of the output. */
  readonly stopTokenIds?: readonly number[] | undefined;
}

export type FinishReason = 'stop' | 'length';

export interface GeneratedToken {
  /** Index of the request. */
  readonly request: number;
  readonly id: number;
  /** Set on the last token of a sequence. */
  readonly finishReason: FinishReason | undefined;
}

class Sequence {
  readonly #request: GenerationRequest;
  readonly #sampler: Sampler;
  readonly #penalties: readonly Penalty[];
  #generated = 0;
  lastId: number;
  finishReason: FinishReason | undefined;

  constructor(request: GenerationRequest) {
    const { promptIds, attentionMask, sampling = {} } = request;
    this.#request = request;
    this.#sampler = new Sampler(sampling);
    this.#penalties = createPenalties(
      sampling,
      promptIds.filter((_, index) => attentionMask?.[index] !== 0),
    );
    this.lastId = promptIds.at(-1) ?? 0;
    this.finishReason = request.maxNewTokens > 0 ? undefined : 'length';
  }

  /** Chooses the next token. @param row logits [V], changed in place */
  advance(row: LogitsRow): number {
    const allowed = row.subarray(0, this.#request.vocabLimit);
    for (const penalty of this.#penalties) penalty.apply(row);
    const id = this.#sampler.sample(allowed);
    for (const penalty of this.#penalties) penalty.add(id);
    this.#generated += 1;
    this.lastId = id;
    if (this.#request.stopTokenIds?.includes(id) === true) this.finishReason = 'stop';
    else if (this.#generated >= this.#request.maxNewTokens) this.finishReason = 'length';
    return id;
  }
}

export class GenerationBatch {
  readonly #model: CausalLm;
  readonly #sequences: readonly Sequence[];
  readonly #cache: KvCache;
  #inputIds: Tensor; // int64 [B, T]: the next tokens to run
  #attentionMask: Tensor | undefined; // int64 [B, past + T]; undefined while nothing is padding

  /** @throws InputError for an empty prompt, ids outside the vocabulary, a prompt beyond the model's context. */
  constructor(model: CausalLm, requests: readonly GenerationRequest[]) {
    for (const request of requests) checkRequest(model, request);
    this.#model = model;
    this.#sequences = requests.map((request) => new Sequence(request));
    this.#cache = model.createCache();
    const length = Math.max(...requests.map(({ promptIds }) => promptIds.length));
    const padded = requests.map(({ promptIds, attentionMask }) => {
      const padding = length - promptIds.length;
      const mask = attentionMask ?? promptIds.map((id) => this.#isSeen(id));
      if (!mask.includes(1)) throw new InputError('generation: a prompt is nothing but padding.');
      return {
        ids: [...new Array<number>(padding).fill(0), ...promptIds],
        mask: [...new Array<number>(padding).fill(0), ...mask],
      };
    });
    const shape = [requests.length, length];
    const { device } = model;
    this.#inputIds = scope(() =>
      intTensor(
        padded.flatMap(({ ids }) => ids),
        shape,
        { device },
      ).keep(),
    );
    const mask = padded.flatMap((row) => row.mask);
    this.#attentionMask = mask.includes(0)
      ? scope(() => intTensor(mask, shape, { device }).keep())
      : undefined;
  }

  get isFinished(): boolean {
    return this.#sequences.every(({ finishReason }) => finishReason !== undefined);
  }

  /** Runs the model once and gives the next token of every sequence that is not finished. */
  step(): GeneratedToken[] {
    return noGrad(() =>
      scope(() => {
        const [batch = 0] = this.#inputIds.shape;
        const logits = this.#model
          .forward(this.#inputIds, {
            cache: this.#cache,
            attentionMask: this.#attentionMask,
            lastPositions: 1,
          })
          .select(1, 0); // [B, V]
        const rows = logits.toFloat32Array();
        const width = logits.size(1);
        const tokens: GeneratedToken[] = [];
        for (const [request, sequence] of this.#sequences.entries()) {
          if (sequence.finishReason !== undefined) continue;
          const id = sequence.advance(rows.subarray(request * width, (request + 1) * width));
          tokens.push({ request, id, finishReason: sequence.finishReason });
        }
        // A finished sequence runs on with its last token until all are done; nobody looks at it.
        const { device } = this.#model;
        const next = intTensor(
          this.#sequences.map(({ lastId }) => lastId),
          [batch, 1],
          { device },
        );
        this.#inputIds.dispose();
        this.#inputIds = next.keep();
        const seen = this.#sequences.map(({ lastId }) => this.#isSeen(lastId));
        if (this.#attentionMask !== undefined || seen.includes(0)) {
          const past = this.#attentionMask ?? ones([batch, this.#cache.length], { dtype: 'int64', device });
          this.#attentionMask = cat([past, intTensor(seen, [batch, 1], { device })], 1).keep();
          past.dispose();
        }
        return tokens;
      }),
    );
  }

  #isSeen(id: number): number {
    return id === this.#model.unseenTokenId ? 0 : 1;
  }

  dispose(): void {
    this.#cache.dispose();
    this.#inputIds.dispose();
    this.#attentionMask?.dispose();
  }
}

function checkRequest(model: CausalLm, { promptIds, attentionMask, maxNewTokens }: GenerationRequest): void {
  if (promptIds.length === 0)
    throw new InputError('generation: the prompt is empty; give at least one token.');
  if (attentionMask !== undefined && attentionMask.length !== promptIds.length)
    throw new InputError(
      `generation: attention_mask has ${attentionMask.length} entries for ${promptIds.length} prompt ids.`,
    );
  if (attentionMask?.at(-1) === 0)
    throw new InputError(
      'generation: attention_mask ends with 0, but the last token is the one to continue; pad on the left.',
    );
  const outside = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= model.vocabSize);
  if (outside !== undefined)
    throw new InputError(
      `generation: prompt id ${outside} is outside the model's vocabulary of ${model.vocabSize}; ` +
        'does the tokenizer belong to this model?',
    );
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 0)
    throw new InputError(`generation: maxNewTokens is ${maxNewTokens}; give a whole number from 0.`);
  if (model.maxPositions !== undefined && promptIds.length + maxNewTokens > model.maxPositions)
    throw new InputError(
      `generation: the prompt's ${promptIds.length} tokens and ${maxNewTokens} new ones exceed the model's context ` +
        `of ${model.maxPositions}; shorten the prompt or ask for fewer new tokens.`,
    );
}
