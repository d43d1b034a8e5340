/**
 * Knowledge distillation: beside the texts' own next tokens the distribution that a teacher gives is learned. Logits of the teacher
 * are made in pieces, for learned tokens alone, and so is what the loss computes of them: of a whole micro-batch there are only the
 * student's logits and their gradient.
 *
 * Shapes: N predictions of a micro-batch, M learned ones, n of a piece, D teacher's hidden, V vocabulary.
 */
import type { Row } from '../../data/index.js';
import type { CausalLm } from '../../models/index.js';
import { weightedCrossEntropySum } from '../../nn/index.js';
import {
  floatTensor,
  grad,
  intTensor,
  isFloatDType,
  noGrad,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { lastHiddenStates, type TrainingBatch } from '../step/segments.js';
import { arrangeTexts, type CrossEntropyOptions } from './cross-entropy.js';
import { generalizedDivergence } from './divergence.js';
import type { LossSums, Objective, ObjectiveBatch } from './objective.js';
import type { DistillationConfig } from './objective-config.js';

/** Logits in a piece: 64 MiB of float32. */
export const PIECE_ELEMENTS = 2 ** 24;

export interface DistillationOptions extends CrossEntropyOptions {
  readonly teacher: CausalLm;
  /** Predictions in a piece. Default: so many that its logits are PIECE_ELEMENTS. */
  readonly pieceLength?: number | undefined;
}

export function distillation(config: DistillationConfig, options: DistillationOptions): Objective {
  return { arrange: (rows) => arrange(rows, config, options) };
}

function arrange(
  rows: readonly Row[],
  config: DistillationConfig,
  options: DistillationOptions,
): ObjectiveBatch {
  const texts = arrangeTexts(rows, options);
  const { teacher } = options;
  const { vocabSize } = teacher.shape;
  const pieceLength = options.pieceLength ?? Math.max(1, Math.floor(PIECE_ELEMENTS / vocabSize));
  const pieces = piecesOf(texts.weights, pieceLength);
  return {
    learned: texts.learned,
    divisors: texts.divisors,
    prepare(model) {
      const batch = texts.tensors(model);
      const teacherStates = learnedStates(teacher, batch, pieces);
      return {
        inputIds: batch.inputIds,
        documents: batch.documents,
        // Of the tokens that are read: the last of the longest rows is not.
        lengths: rows.map(({ ids }) => Math.min(ids.length, batch.inputIds.size(1))),
        sums: (logits) => distillationSums(logits, { batch, pieces, teacherStates, teacher, config }),
      };
    },
  };
}

/** Predictions that follow one another, and which of them are learned. */
interface Piece {
  readonly length: number;
  /** Counted from the first of the piece. */
  readonly learned: readonly number[];
}

function piecesOf(weights: Float32Array, pieceLength: number): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < weights.length; start += pieceLength) {
    const own = weights.subarray(start, start + pieceLength);
    pieces.push({
      length: own.length,
      learned: [...own.keys()].filter((place) => own[place] !== 0),
    });
  }
  return pieces;
}

/** What the teacher's head begins with, of learned predictions [M, D]. */
function learnedStates(teacher: CausalLm, batch: TrainingBatch, pieces: readonly Piece[]): Tensor {
  return scope(() =>
    noGrad(() => {
      const states = lastHiddenStates(teacher, batch); // [R, T, D]
      let start = 0;
      const places = pieces.flatMap(({ length, learned }) => {
        const own = learned.map((place) => start + place);
        start += length;
        return own;
      });
      return states
        .reshape([-1, states.size(-1)])
        .indexSelect(0, intTensor(places, [places.length]).toDevice(teacher.device));
    }),
  );
}

interface Distilled {
  readonly batch: TrainingBatch;
  readonly pieces: readonly Piece[];
  readonly teacherStates: Tensor; // [M, D]
  readonly teacher: CausalLm;
  readonly config: DistillationConfig;
}

/** @param logits of the student [R, T, V] */
function distillationSums(logits: Tensor, { batch, pieces, ...given }: Distilled): LossSums {
  const { teacherStates, config } = given;
  const { alpha } = config;
  const parts = logits.reshape([-1, logits.size(-1)]).split(pieces.map(({ length }) => length));
  const targets = batch.targets.reshape([-1]);
  const weights = batch.weights.reshape([-1]);
  let [divergence, crossEntropy, weight] = [0, 0, 0];
  let [start, learnedBefore] = [0, 0];
  const zeros: Tensor[] = [];
  for (const [index, { length, learned }] of pieces.entries()) {
    const part = parts[index];
    if (part !== undefined && learned.length > 0) {
      const zero = scope(() => {
        const places = intTensor(learned, [learned.length]).toDevice(logits.device);
        const student = part.indexSelect(0, places);
        const found = pieceLoss(student, {
          states: teacherStates.narrow(0, learnedBefore, learned.length),
          targets: targets.narrow(0, start, length).indexSelect(0, places),
          weights: weights.narrow(0, start, length).indexSelect(0, places),
          ...given,
        });
        divergence += found.divergence;
        crossEntropy += found.crossEntropy;
        weight += found.weight;
        const { gradient } = found;
        // 0, with the gradient that was computed: the graph keeps that alone, and none of what it was made of.
        return gradient && student.sub(student.detach()).to(gradient.dtype).mul(gradient).sum();
      });
      if (zero !== undefined) zeros.push(zero);
    }
    start += length;
    learnedBefore += learned.length;
  }
  const value = floatTensor([alpha * divergence + (1 - alpha) * crossEntropy], [], {
    dtype: wideDType(weights),
  }).toDevice(logits.device);
  return {
    perToken: zeros.reduce((sum, zero) => sum.add(zero), value),
    metrics: [
      { name: 'distillation_loss', sum: divergence, count: weight },
      { name: 'nll_loss', sum: crossEntropy, count: weight },
    ],
  };
}

interface PieceTargets extends Pick<Distilled, 'teacher' | 'config'> {
  readonly states: Tensor; // [n, D]
  readonly targets: Tensor; // int64 [n]
  readonly weights: Tensor; // [n]
}

interface PieceLoss {
  /** Sums by weight. */
  readonly divergence: number;
  readonly crossEntropy: number;
  readonly weight: number;
  /** Of both terms by the logits [n, V]; undefined where they are only measured. */
  readonly gradient: Tensor | undefined;
}

/** @param logits of the student [n, V]; what is made of them here is in no graph */
function pieceLoss(logits: Tensor, { states, targets, weights, teacher, config }: PieceTargets): PieceLoss {
  const { alpha, beta, temperature } = config;
  const isLearned = logits.requiresGrad;
  const dtype = wideDType(weights);
  let numbers = { divergence: 0, crossEntropy: 0, weight: 0 };
  const [gradient] = scope(() => {
    const teacherLogits = noGrad(() => teacher.head(states.unsqueeze(0)).squeeze(0).to(dtype)); // [n, V]
    const own = logits.detach().to(dtype).detach().setRequiresGrad(isLearned);
    const divergence = generalizedDivergence(
      own.div(temperature).logSoftmax(-1),
      teacherLogits.div(temperature).logSoftmax(-1),
      beta,
    )
      .mul(weights)
      .sum();
    const crossEntropy = weightedCrossEntropySum(own, targets, weights);
    numbers = {
      divergence: divergence.item(),
      crossEntropy: crossEntropy.item(),
      weight: weights.sum().item(),
    };
    return isLearned ? grad([divergence.mul(alpha).add(crossEntropy.mul(1 - alpha))], [own]) : [];
  });
  return { ...numbers, gradient: gradient ?? undefined };
}

/** Of the loss: float64 where the model computes in it, else float32. */
function wideDType({ dtype }: Tensor): 'float32' | 'float64' {
  if (!isFloatDType(dtype)) throw new TypeError(`weights of a loss in ${dtype}`);
  return dtype === 'float64' ? 'float64' : 'float32';
}
