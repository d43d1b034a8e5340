/** One optimiser step after another on a model in memory; files and configuration are the business of run.ts. */

import type { Row } from '../data/index.js';
import { InputError, NonFiniteError } from '../errors/index.js';
import type { CausalLm } from '../models/index.js';
import {
  type Generator,
  keepFreedMemory,
  returnFreedMemory,
  scope,
  type Tensor,
  tensorFromBytes,
} from '../tensor/index.js';
import { AdamW, type AdamWOptions } from './adamw.js';
import { GradientStore } from './gradient-store.js';
import { type LossAlignment, trainingBatch } from './loss-weights.js';
import { accumulateGradients, type Recompute, type TrainingBatch } from './segments.js';

export interface TrainerOptions extends AdamWOptions {
  readonly weightDecay: number;
  /** True for parameters that are not decayed, by published name. */
  readonly isSparedFromDecay: (name: string, parameter: Tensor) => boolean;
  /** Gradients are scaled down to this global norm; Infinity: never. */
  readonly maxGradNorm: number;
  readonly recompute: Recompute;
  readonly lossAlignment: LossAlignment;
  /** Read each text of a packed row on its own, as if it were alone in it. Default false: attention spans the row. */
  readonly documentAttention?: boolean;
  /** Fills the rows of a batch to one length; its targets never count. */
  readonly padTokenId: number;
  /** Draws what the forward pass leaves to chance (dropout). */
  readonly generator?: Generator | undefined;
}

export interface StepResult {
  /** Mean over all learned tokens of the step. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradNorm: number;
  /** Tokens read, padding apart. */
  readonly tokens: number;
  /** Tokens learned. */
  readonly learnedTokens: number;
}

export class Trainer {
  readonly #model: CausalLm;
  readonly #options: TrainerOptions;
  readonly #gradients: GradientStore;
  readonly #optimizer: AdamW;

  /** @param parameters what is trained, by published name; all else is frozen */
  constructor(model: CausalLm, parameters: ReadonlyMap<string, Tensor>, options: TrainerOptions) {
    this.#model = model;
    this.#options = options;
    keepFreedMemory();
    for (const [, parameter] of model.namedParameters()) parameter.setRequiresGrad(false);
    this.#gradients = new GradientStore(parameters.values());
    const spared = [...parameters].filter(([name, parameter]) => options.isSparedFromDecay(name, parameter));
    const sparedSet = new Set(spared.map(([, parameter]) => parameter));
    this.#optimizer = new AdamW(
      [
        {
          weightDecay: options.weightDecay,
          parameters: [...parameters.values()].filter((parameter) => !sparedSet.has(parameter)),
        },
        { weightDecay: 0, parameters: [...sparedSet] },
      ],
      options,
    );
  }

  /**
   * One update from several micro-batches, as if they were one batch: the loss is divided by the number of learned
   * tokens of all of them.
   * @throws InputError if nothing is learned, NonFiniteError if loss or gradients are not finite; the parameters are
   *   untouched then
   */
  step(microBatches: readonly (readonly Row[])[], learningRate: number): StepResult {
    return scope(() => {
      const batches = microBatches.map((rows) => this.#toTensors(rows));
      const divisor = batches.reduce((sum, batch) => sum + batch.divisor, 0);
      if (!(divisor > 0))
        throw new InputError('training: the batch has no token to learn; check the loss masks.');
      let loss = 0;
      for (const batch of batches)
        loss += accumulateGradients(this.#model, batch, 1 / divisor, this.#gradients, this.#options);
      const gradNorm = this.#gradients.norm();
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm)) {
        this.#gradients.clear();
        throw new NonFiniteError(
          `training: loss ${loss}, gradient norm ${gradNorm}: the step is not finite; lower the learning rate or ` +
            'look at the rows of this step.',
        );
      }
      const factor = this.#options.maxGradNorm / (gradNorm + 1e-6);
      if (factor < 1) this.#gradients.scale(factor);
      this.#optimizer.step(this.#gradients, learningRate);
      this.#gradients.clear();
      const tokens = microBatches.flat().reduce((sum, { ids }) => sum + ids.length, 0);
      return { loss, gradNorm, tokens, learnedTokens: Math.round(divisor) };
    });
  }

  dispose(): void {
    this.#gradients.clear();
    this.#optimizer.dispose();
    returnFreedMemory();
  }

  #toTensors(rows: readonly Row[]): TrainingBatch & { readonly divisor: number } {
    const length = Math.max(...rows.map(({ ids }) => ids.length));
    const { device, computeDType } = this.#model;
    const ids = new Int32Array(rows.length * length).fill(this.#options.padTokenId);
    const mask = new Float32Array(rows.length * length);
    for (const [index, row] of rows.entries()) {
      ids.set(row.ids, index * length);
      mask.set(row.lossMask, index * length);
    }
    const shape = [rows.length, length];
    const documents =
      this.#options.documentAttention === true ? rows.map((row) => documentsOf(row, length)) : undefined;
    // The first token of a text is not predicted from the text before it.
    const offset = this.#options.lossAlignment === 'target' ? 0 : -1;
    for (const [index, starts] of documents?.map(startsOf).entries() ?? [])
      for (const start of starts) mask[index * length + start + offset] = 0;
    const batch = trainingBatch(
      tensorFromBytes(ids, shape, 'int32').to('int64').toDevice(device),
      tensorFromBytes(mask, shape, 'float32')
        .to(computeDType === 'float64' ? 'float64' : 'float32')
        .toDevice(device),
      this.#options.lossAlignment,
    );
    return { ...batch, documents: documents?.map(withoutLast) };
  }
}

/** Lengths of the texts of a row that is filled up to `length`; the padding is a text of its own. */
function documentsOf({ ids, documents = [ids.length] }: Row, length: number): number[] {
  return ids.length < length ? [...documents, length - ids.length] : [...documents];
}

/** Where all texts but the first begin. */
function startsOf(lengths: readonly number[]): number[] {
  let start = 0;
  return lengths.slice(0, -1).map((length) => {
    start += length;
    return start;
  });
}

/** The last token of a row is only a target. */
function withoutLast(lengths: readonly number[]): number[] {
  const last = lengths.at(-1) ?? 0;
  return last > 1 ? [...lengths.slice(0, -1), last - 1] : lengths.slice(0, -1);
}
