/**
 * What a segment of a model holds while it is computed forward and backward, tensor by tensor. The lists follow
 * src/models (forward), what the operators of native/cpu save for their gradients, and the order in which autograd runs
 * and frees them: the last operator first, what an operator saved after it ran.
 *
 * Shapes: N tokens of a micro-batch, D hidden, F intermediate, V vocabulary, H heads, K heads of keys and values,
 * E head_dim.
 */
import { PIECE_ELEMENTS } from '../objective/distillation-objective.js';
import type { PrecisionBytes } from './byte-table.js';
import {
  type BlockShape,
  blockLinears,
  type LinearShape,
  type PlannedExperts,
  type PlannedModel,
} from './planned-model.js';

const FLOAT32_BYTES = 4;

/** Bytes. */
export interface SegmentMemory {
  /** Saved for the backward pass, the segment's output included. */
  readonly kept: number;
  /** All that exists at the end of the forward pass, before the scope of the segment frees what is not saved. */
  readonly forward: number;
  /** The most that the backward pass holds beyond `kept` and the gradient that it is given. */
  readonly backward: number;
  /** Of the trained parameters. */
  readonly gradients: number;
}

export interface SegmentOptions {
  readonly bytes: PrecisionBytes;
  /** N: rows times length. */
  readonly tokens: number;
  /** Elements that are trained of a linear layer: all, none, or those of its adapter. */
  readonly trainedElements: (linear: LinearShape) => number;
  /** R where the layer has an adapter, else 0. */
  readonly rank: (linear: LinearShape) => number;
  /** Everything else is trained, too: norms, the embedding, the head. */
  readonly trainsAll: boolean;
  /** The gradient of a weight is multiplied by oneDNN, which copies the transposed gradient of its output. */
  readonly copiesTransposed: boolean;
  /**
   * oneDNN has no bfloat16 instructions here: for the gradient of a weight it copies the gradient of the output twice and sums in
   * float32. As measured with 1024 to 4096 tokens on such a processor, to 4 MB of 60 to 160.
   */
  readonly emulatesBfloat16: boolean;
  /** The loss is made of sequences one by one. Default false. */
  readonly splitsLogits?: boolean | undefined;
  /** The loss is made in pieces beside a teacher's logits. Default false. */
  readonly distills?: boolean | undefined;
  /** Several ranks share the matrices: what they sum is made anew. Default false. */
  readonly isShared?: boolean | undefined;
  /** Tokens that this rank has between attention and MLP. Default: all of them. */
  readonly ownTokens?: number | undefined;
  /** Ranks that read the tokens of a row together: they exchange heads for tokens around attention. Default 1. */
  readonly context?: number | undefined;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const widths = (linears: readonly LinearShape[]): number =>
  sum(linears.map(({ outFeatures }) => outFeatures));

export function blockMemory(model: PlannedModel, block: BlockShape, options: SegmentOptions): SegmentMemory {
  const { bytes, tokens, trainedElements, rank } = options;
  const { hiddenSize, numHeads, numKvHeads, headDim } = model;
  const { attentionIn, attentionOut, mlpIn, mlpOut, experts } = block;
  const values = (width: number): number => tokens * width * bytes.compute;
  const { isShared = false, ownTokens = tokens, context = 1 } = options;
  const hidden = values(hiddenSize);
  const own = (hidden * ownTokens) / tokens;
  const queries = values(numHeads * headDim); // [N, H, E]
  const keys = values(numKvHeads * headDim); // [N, K, E]
  const linears = blockLinears(block);
  const gradientOf = (linear: LinearShape): number => trainedElements(linear) * bytes.compute;
  /** A layer keeps its input only where something of it is trained. */
  const keepsInput = (own: readonly LinearShape[]): boolean =>
    own.some((linear) => trainedElements(linear) > 0);

  const norm = normMemory(model, options);
  let kept = 0;
  let passing = 0; // Not saved.
  const put = (size: number, isKept: boolean): void => {
    if (isKept) kept += size;
    else passing += size;
  };
  put(norm.statistics, true);
  put(hidden, keepsInput(attentionIn)); // normed
  const isExchanged = context > 1;
  for (const [index, linear] of attentionIn.entries())
    put(values(linear.outFeatures), index === attentionIn.length - 1 && !isExchanged);
  // Heads that cannot be dealt out are repeated for the queries.
  const exchangedKeys = numKvHeads % context === 0 ? keys : queries;
  const exchange = queries + 2 * exchangedKeys;
  put(queries + keys, !isExchanged); // turned
  if (isExchanged) {
    put(2 * exchange + (exchangedKeys > keys ? 2 * exchangedKeys : 0), false); // as they are sent, and as they come
    put(exchange, true); // in the order of the tokens
    put(3 * queries, false); // the way back
    put(queries, keepsInput([attentionOut])); // what attention gives, of the own tokens
  }
  put(queries + tokens * numHeads * bytes.wide, true); // what attention gives, and the logarithms of its sums
  put(hidden, false); // output projection
  // What was normed, where others' tokens are gathered behind it; what the ranks' outputs sum to.
  if (isShared) passing += own;
  if (ownTokens < tokens) passing += own;
  put(own, true); // the first sum
  put(norm.statistics, true);
  const mixture = experts === undefined ? undefined : mixtureMemory(experts, model, options);
  put(hidden, mixture === undefined ? keepsInput(mlpIn) : options.trainsAll); // normed
  if (mlpOut !== undefined) {
    put(values(widths(mlpIn)), true);
    put(values(mlpOut.inFeatures), keepsInput([mlpOut])); // gate times up
    put(hidden, false);
  }
  if (isShared) passing += own;
  if (ownTokens < tokens) passing += own;
  kept += mixture?.kept ?? 0;
  passing += mixture?.passing ?? 0;
  put(own, true); // the second sum, the segment's output
  passing += 2 * norm.passing;
  for (const linear of linears) {
    if (rank(linear) === 0) continue;
    put(values(rank(linear)), true);
    put(3 * values(linear.outFeatures), false); // the update, the same scaled, and the layer's own product
  }

  // Backward, as the sum of what is there beyond `kept` at the three fullest places.
  const normGradients = options.trainsAll ? 2 * hiddenSize * bytes.compute : 0;
  const mlp = mlpOut === undefined ? mixture : mlpBackward(mlpIn, mlpOut, options, keepsInput);
  if (mlp === undefined) throw new TypeError('a block without an MLP');
  const { gradients: mlpGradients, most: atMlp } = mlp;
  const freedByMlp = mlp.freed + (mlpOut !== undefined && keepsInput(mlpIn) ? 2 : 1) * hidden;
  const split = attentionIn.length < 3 ? 2 * values(attentionIn.at(-1)?.outFeatures ?? 0) : 0;
  const exchanged = isExchanged ? 2 * queries + exchange : 0;
  const atAttention =
    mlpGradients + gradientOf(attentionOut) + hidden + 2 * (queries + keys) + exchanged + split - freedByMlp;
  const gradients = sum(linears.map(gradientOf)) + (mixture?.gradients ?? 0) + normGradients;
  const atEnd = gradients + 2 * hidden - kept + hidden;
  return {
    kept,
    forward: kept + passing + Math.max(...linears.map((linear) => rowsBytes(linear, options))),
    backward:
      Math.max(atMlp, atAttention, atEnd, 0) + Math.max(...linears.map((linear) => decodedBytes(linear))),
    gradients,
  };
}

/** Integers of 4 bits are multiplied with rows whose inputs lie as theirs do, in float32. */
function rowsBytes({ integers, inFeatures }: LinearShape, { tokens, bytes }: SegmentOptions): number {
  if (integers === undefined) return 0;
  return integers.bits === 4 || bytes.compute < FLOAT32_BYTES ? tokens * inFeatures * FLOAT32_BYTES : 0;
}

/** The weight as floats, where the gradient of its input is made; of 4 bits twice, in another order. */
function decodedBytes({ integers }: LinearShape): number {
  return integers === undefined ? 0 : integers.elements * FLOAT32_BYTES * (integers.bits === 4 ? 2 : 1);
}

/** Backward through an MLP: what is there beyond what was kept. */
interface MlpBackward {
  /** Of its parameters. */
  readonly gradients: number;
  /** At the fullest place. */
  readonly most: number;
  /** What its forward pass kept and its backward pass no longer does. */
  readonly freed: number;
}

function mlpBackward(
  mlpIn: readonly LinearShape[],
  mlpOut: LinearShape,
  options: SegmentOptions,
  keepsInput: (own: readonly LinearShape[]) => boolean,
): MlpBackward {
  const { bytes, tokens, trainedElements } = options;
  const values = (width: number): number => tokens * width * bytes.compute;
  const gradientOf = (linear: LinearShape): number => trainedElements(linear) * bytes.compute;
  const inner = values(mlpOut.inFeatures);
  const pair = values(widths(mlpIn));
  const isInnerKept = keepsInput([mlpOut]);
  const hidden = values(mlpOut.outFeatures);
  const atDown =
    inner + gradientOf(mlpOut) + (isInnerKept ? copiesOf(hidden, trainedElements(mlpOut), options) : 0);
  const atGate = pair + gradientOf(mlpOut) + (isInnerKept ? 0 : inner);
  return {
    gradients: sum(mlpIn.map(gradientOf)) + gradientOf(mlpOut),
    most: Math.max(atDown, atGate),
    freed: pair + (isInnerKept ? inner : 0),
  };
}

/** A mixture of experts (src/nn/mixture-of-experts.ts): all that the experts read is there k times. */
function mixtureMemory(
  { count, perToken, intermediateSize, elements, routerElements }: PlannedExperts,
  { hiddenSize }: PlannedModel,
  { bytes, tokens, trainsAll }: SegmentOptions,
): MlpBackward & { readonly kept: number; readonly passing: number } {
  const hidden = tokens * hiddenSize * bytes.compute;
  const rows = perToken * hidden; // [N * k, D]
  const inner = tokens * perToken * intermediateSize * bytes.compute; // [N * k, F]
  const probabilities = tokens * count * bytes.wide;
  // Which expert, where the row went and how much it counts: indices of 8 bytes.
  const indices = tokens * perToken * (5 * 8 + 2 * bytes.wide);
  // Gate and up; what the experts gave, in the order of the tokens, for the gradient of the weights.
  const always = probabilities + indices + 2 * inner + rows;
  const forWeights = trainsAll ? rows + inner : 0;
  // The logits; the rows as the experts gave them and weighted; the sums one after the other.
  const passing =
    tokens * count * bytes.compute + (trainsAll ? 0 : rows + inner) + 2 * rows + perToken * hidden;
  const gradients = trainsAll ? (elements + routerElements) * bytes.compute : 0;
  return {
    kept: always + forWeights,
    passing,
    gradients,
    // The gradients of the rows and of what is between them, as the last of the three weights gets its own.
    most: gradients + 2 * rows + 2 * inner,
    freed: always + forWeights,
  };
}

/** Final norm, logits, loss. The loss writes its gradient beside the logits. */
export function headMemory(model: PlannedModel, options: SegmentOptions): SegmentMemory {
  const { bytes, tokens, trainsAll, splitsLogits = false, distills = false } = options;
  const { hiddenSize, outputSize: vocabSize } = model;
  const hidden = tokens * hiddenSize * bytes.compute;
  const logits = tokens * vocabSize * bytes.compute;
  const norm = normMemory(model, options);
  const kept = norm.statistics + (trainsAll ? hidden : 0) + logits + tokens * bytes.wide;
  const weightGradient = trainsAll ? vocabSize * hiddenSize * bytes.compute : 0;
  const copied = trainsAll ? copiesOf(logits, vocabSize * hiddenSize, options) : 0;
  const distilled = distills ? distillationMemory(tokens * vocabSize, options) : { kept: 0, passing: 0 };
  return {
    kept: kept + distilled.kept,
    forward: kept + norm.passing + (trainsAll ? 0 : hidden) + distilled.passing,
    // Of sequences that count one by one, the gradients are put together again. The logits are free once their gradient is there.
    backward: Math.max(splitsLogits ? 2 * logits : logits, hidden + weightGradient + copied),
    gradients: weightGradient + (trainsAll ? hiddenSize * bytes.compute : 0),
  };
}

/** Logits-shaped tensors of a piece that are there together: both models', their log-probabilities, and what is made of these. */
const PIECE_TENSORS = 8;

/** The gradient of the logits is kept in the dtype of the loss, in their place. @param elements of the logits */
function distillationMemory(
  elements: number,
  { bytes }: SegmentOptions,
): { readonly kept: number; readonly passing: number } {
  return {
    kept: elements * (bytes.wide - bytes.compute),
    passing: elements * bytes.wide + PIECE_TENSORS * Math.min(elements, PIECE_ELEMENTS) * bytes.wide,
  };
}

/** What the product for the gradient of a weight copies. @param gradient bytes of the output's @param elements of the weight */
function copiesOf(
  gradient: number,
  elements: number,
  { copiesTransposed, emulatesBfloat16 }: SegmentOptions,
): number {
  if (emulatesBfloat16) return 2 * gradient + elements * FLOAT32_BYTES;
  return copiesTransposed ? gradient : 0;
}

/** A fused RMSNorm saves its input and a number a row; LayerNorm in 16 bit saves its input widened. */
function normMemory(
  { norm, hiddenSize }: PlannedModel,
  { bytes, tokens, ownTokens = tokens }: SegmentOptions,
): { readonly statistics: number; readonly passing: number } {
  const wide = bytes.wide > bytes.compute ? ownTokens * hiddenSize * bytes.wide : 0;
  return norm === 'rms'
    ? { statistics: ownTokens * bytes.wide, passing: 0 }
    : { statistics: 2 * ownTokens * bytes.wide + wide, passing: wide };
}
