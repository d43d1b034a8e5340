/**
 * The integers of a model's blocks by what a calibration text gives, block after block. Two streams of hidden states run through the
 * model: one through the full blocks, by which scales are chosen and which the quantised blocks are to follow, and one through the
 * quantised blocks, by which integers are chosen; within a block each matrix sees what the quantised ones before it give.
 */

import type { IntegerMatrix } from '../../formats/index.js';
import {
  correction,
  dequantizedMatrix,
  type GptqRule,
  gptq,
  type RoundingRule,
  roundToNearest,
} from '../../quantization/index.js';
import { type FloatDType, isFloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { Block, ForwardContext } from '../causal-lm.js';
import { InputSums, rowsByExpert, rowsOf, type Seen, watchInputs } from './block-inputs.js';
import { type BlockWeight, ownFloats, stagesOf, type WeightStage } from './block-weights.js';
import { SavedRows } from './saved-rows.js';
import { type ScaleRule, type StageInputs, scaleBlock } from './scale-block.js';
import { ScratchFile } from './scratch-file.js';
import type { StreamedModel } from './streamed-model.js';

/** Of one matrix. */
export interface MatrixRule {
  readonly rounding: RoundingRule;
  /** undefined: to the nearest integers. */
  readonly gptq: GptqRule | undefined;
}

export interface CalibrationRule {
  /** By the own path of a layer; undefined: it stays as it is. @param expert its number, of a matrix of experts */
  matrixRule(path: string, expert: number | undefined): MatrixRule | undefined;
  /** Do matrices go by GPTQ, those with no input aside? Else only the full blocks run. */
  readonly usesGptq: boolean;
  /** undefined: none. */
  readonly scales: ScaleRule | undefined;
  /** How much of what the quantised blocks before have changed is made good in each weight: 0 (nothing) to 1. */
  readonly correction: number;
}

/** Where a calibration stands between two blocks. */
export interface CalibrationState {
  readonly nextBlock: number;
  /** Through the full blocks, and through the quantised ones: [1, T, D] float32 of each window; the same where one stream is enough. */
  readonly full: readonly Tensor[];
  readonly quantized: readonly Tensor[];
}

export interface CalibratedMatrix {
  readonly matrix: IntegerMatrix;
  /** |W' - W|^2 / |W|^2 of the weight as scaling left it; 0 for a weight of zeros. */
  readonly relativeError: number;
}

export interface CalibratedModels {
  readonly model: StreamedModel;
  /** The same again; undefined where neither scales nor corrections are wanted. */
  readonly full: StreamedModel | undefined;
}

export class BlockCalibration {
  readonly #models: CalibratedModels;
  readonly #rule: CalibrationRule;
  readonly #scratch: string;
  readonly #context: ForwardContext;
  #full: Tensor[]; // [1, T, D] float32, a window each
  #quantized: Tensor[];
  #next: number;
  /** Exponents of the scales of each block that was done, set by set. */
  readonly exponents: (readonly number[])[] = [];
  readonly #found = new Map<string, CalibratedMatrix>();
  readonly #changed = new Map<string, Tensor>();

  /**
   * @param windows of token ids, all of one length
   * @param scratch a folder for what goes into the matrices of a block: as much as the text's hidden states several times
   * @param state where to go on. Default: before the first block
   */
  constructor(
    models: CalibratedModels,
    windows: readonly (readonly number[])[],
    rule: CalibrationRule,
    scratch: string,
    state?: CalibrationState,
  ) {
    this.#models = models;
    this.#rule = rule;
    this.#scratch = scratch;
    const { contexts, hidden } = models.model.begin(windows);
    const [context] = contexts;
    if (context === undefined) throw new RangeError('a calibration needs a window');
    this.#context = context;
    this.#full = [];
    if (models.full !== undefined)
      this.#full = state === undefined ? hidden.map((each) => each.clone().keep()) : [...state.full];
    this.#quantized = state === undefined ? hidden : [...state.quantized];
    if (state !== undefined) for (const each of hidden) each.dispose();
    this.#next = state?.nextBlock ?? 0;
  }

  get state(): CalibrationState {
    return { nextBlock: this.#next, full: this.#full, quantized: this.#quantized };
  }

  /** Blocks before have been done. @throws RangeError for one that was passed by another run's state (a fault of the caller) */
  calibrate(index: number): void {
    if (index !== this.#next) throw new RangeError(`block ${index} comes when block ${this.#next} is due`);
    this.#next++;
    this.#calibrate(index);
  }

  /** Integers of a weight of the block that was done last, given once; undefined for one that stays as it is. @param path own path of its layer */
  take(path: string, expert: number | undefined): CalibratedMatrix | undefined {
    const key = keyOf(path, expert);
    const found = this.#found.get(key);
    this.#found.delete(key);
    return found;
  }

  /** A parameter that stays floats and is another now, by own path, given once: the caller disposes of it. */
  takeChanged(path: string): Tensor | undefined {
    const found = this.#changed.get(path);
    this.#changed.delete(path);
    return found;
  }

  dispose(): void {
    for (const tensor of [...this.#full, ...this.#quantized, ...this.#changed.values()]) tensor.dispose();
    this.#models.model.dispose();
    this.#models.full?.dispose();
  }

  #calibrate(index: number): void {
    const { model, full } = this.#models;
    const file = new ScratchFile(this.#scratch);
    const block = model.loadBlock(index);
    const dtypes = new Map(block.namedParameters().map(([path, { dtype }]) => [path, dtype]));
    ownFloats(block);
    const inputs = full === undefined ? undefined : this.#runFull(full, index, file);
    try {
      if (inputs !== undefined) this.#scale(index, block, inputs, (path) => floatDType(dtypes.get(path)));
      for (const stage of stagesOf(block)) this.#roundStage(index, block, stage, inputs);
      // Without GPTQ nothing is chosen by the second stream.
      if (this.#rule.usesGptq) this.#quantized = this.#passed(block, index, this.#quantized);
    } finally {
      freeInputs(inputs);
      file.dispose();
      model.release(index);
    }
  }

  #scale(index: number, block: Block, inputs: StageInputs, storedDType: (path: string) => FloatDType): void {
    if (this.#rule.scales === undefined) return;
    const { changed, exponents } = scaleBlock(
      {
        ...{ block, context: this.#context, index, inputs, storedDType },
        isQuantized: ({ path, expert }) => this.#ruleOf(index, path, expert) !== undefined,
      },
      this.#rule.scales,
    );
    this.exponents.push(exponents);
    const parameters = new Map(block.namedParameters());
    for (const path of changed) {
      const parameter = parameters.get(path);
      if (parameter !== undefined)
        this.#changed.set(`layers.${index}.${path}`, parameter.detach().clone().keep());
    }
  }

  #ruleOf(index: number, path: string, expert: number | undefined): MatrixRule | undefined {
    return this.#rule.matrixRule(`layers.${index}.${path}`, expert);
  }

  #passed(block: Block, index: number, before: readonly Tensor[]): Tensor[] {
    const outputs = before.map((hidden) => this.#run(block, index, hidden));
    for (const hidden of before) hidden.dispose();
    return outputs;
  }

  #run(block: Block, index: number, hidden: Tensor): Tensor {
    return noGrad(() => scope(() => block.forward(hidden, this.#context, index))).keep();
  }

  /** All windows through a full block, which is freed again; what went into its matrices. */
  #runFull(full: StreamedModel, index: number, file: ScratchFile): StageInputs {
    const block = full.loadBlock(index);
    noGrad(() => block.to({ dtype: 'float32' }));
    const rows = new Map<string, SavedRows>();
    const experts = new Map<string, InputSums[]>();
    const keepRows = (path: string): Seen => {
      const saved = new SavedRows(file);
      rows.set(path, saved);
      return (x) => noGrad(() => scope(() => saved.add(rowsOf(x))));
    };
    const seen = new Map<string, Seen>();
    for (const { watched, weights } of stagesOf(block)) {
      const [first] = weights;
      if (first?.expert === undefined) seen.set(watched, keepRows(watched));
      // What goes into gates is what goes into the router.
      else if (first.path.endsWith('downProj')) {
        const sums = sumsForExperts(weights);
        experts.set(watched, sums);
        seen.set(watched, addByExpert(sums));
      } else seen.set('mlp.router', keepRows('mlp.router'));
    }
    watchInputs(block, seen, () => {
      this.#full = this.#passed(block, index, this.#full);
    });
    full.release(index);
    return { rows, experts };
  }

  #roundStage(index: number, block: Block, stage: WeightStage, inputs: StageInputs | undefined): void {
    const rules = stage.weights.map(({ path, expert }) => this.#ruleOf(index, path, expert));
    if (rules.every((rule) => rule === undefined)) return;
    const sums = rules.some((rule) => rule?.gptq !== undefined)
      ? this.#sumInputs(index, block, stage, inputs?.rows.get(stage.watched))
      : [];
    for (const [place, weight] of stage.weights.entries()) {
      const rule = rules[place];
      if (rule !== undefined) this.#round(index, weight, rule, sums[weight.expert ?? 0]);
    }
    for (const each of sums) each.dispose();
  }

  #round(index: number, weight: BlockWeight, rule: MatrixRule, sums: InputSums | undefined): void {
    noGrad(() =>
      scope(() => {
        const exact = weight.read();
        const matrix = this.#matrixOf(exact, rule, sums);
        const made = dequantizedMatrix(matrix);
        const lost = made.sub(exact);
        const square = exact.mul(exact).sum().item();
        const relativeError = square === 0 ? 0 : lost.mul(lost).sum().item() / square;
        this.#found.set(keyOf(`layers.${index}.${weight.path}`, weight.expert), { matrix, relativeError });
        weight.write(made);
      }),
    );
  }

  #matrixOf(exact: Tensor, { rounding, gptq: rule }: MatrixRule, sums: InputSums | undefined): IntegerMatrix {
    const { gram, cross } = sums ?? {};
    // An expert that no token came to has nothing but its weight.
    if (rule === undefined || gram === undefined) return roundToNearest(exact, rounding);
    const strength = this.#rule.correction;
    const wanted =
      strength === 0 || cross === undefined
        ? exact
        : exact.add(exact.matmul(correction({ gram, cross }, strength)));
    return gptq(wanted, gram, rule);
  }

  /** Of all windows behind the quantised blocks. @param full the same rows in the full model @returns for each expert, else one */
  #sumInputs(
    index: number,
    block: Block,
    { watched, weights }: WeightStage,
    full: SavedRows | undefined,
  ): InputSums[] {
    const isGrouped = weights[0]?.expert !== undefined;
    const sums = isGrouped ? sumsForExperts(weights) : [new InputSums()];
    const corrects = this.#rule.correction > 0;
    for (const [place, hidden] of this.#quantized.entries()) {
      const seen: Seen = isGrouped
        ? addByExpert(sums)
        : (x) => scope(() => sums[0]?.add(rowsOf(x), corrects ? full?.read(place) : undefined));
      watchInputs(
        block,
        new Map([[watched, seen]]),
        () => this.#run(block, index, hidden).dispose(),
        watched,
      );
    }
    return sums;
  }
}

function keyOf(path: string, expert: number | undefined): string {
  return expert === undefined ? path : `${path}.${expert}`;
}

function floatDType(dtype: string | undefined): FloatDType {
  if (dtype === undefined) return 'float32';
  if (isFloatDType(dtype)) return dtype;
  throw new TypeError(`a parameter of ${dtype} has no floats`);
}

function sumsForExperts(weights: readonly BlockWeight[]): InputSums[] {
  const count = 1 + Math.max(...weights.map(({ expert = 0 }) => expert));
  return Array.from({ length: count }, () => new InputSums());
}

function addByExpert(sums: readonly InputSums[]): Seen {
  return (x, counts) => {
    if (counts === undefined) throw new TypeError('rows of experts come without their counts');
    scope(() => {
      for (const [expert, rows] of rowsByExpert(rowsOf(x), counts).entries()) sums[expert]?.add(rows);
    });
  };
}

function freeInputs(inputs: StageInputs | undefined): void {
  for (const rows of inputs?.rows.values() ?? []) rows.dispose();
  for (const sums of inputs?.experts.values() ?? []) for (const each of sums) each.dispose();
}
