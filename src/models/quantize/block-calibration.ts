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
import { type FloatDType, intTensor, isFloatDType, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { Block, CausalLm, ForwardContext } from '../causal-lm.js';
import { InputSums, rowsByExpert, rowsOf, type Seen, watchInputs } from './block-inputs.js';
import { type BlockWeight, ownFloats, stagesOf, type WeightStage } from './block-weights.js';
import { type ScaleRule, type StageInputs, scaleBlock } from './scale-block.js';

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
  /** Used up: its blocks are replaced and freed. */
  readonly model: CausalLm;
  /** The same again; undefined where neither scales nor corrections are wanted. */
  readonly full: CausalLm | undefined;
}

export class BlockCalibration {
  readonly #models: CalibratedModels;
  readonly #rule: CalibrationRule;
  readonly #context: ForwardContext;
  #full: Tensor[]; // [1, T, D] float32, a window each
  #quantized: Tensor[];
  #next: number;
  /** Exponents of the scales of each block that was done, set by set. */
  readonly exponents: (readonly number[])[] = [];
  readonly #found = new Map<string, CalibratedMatrix>();
  readonly #changed = new Map<string, Tensor>();

  /** @param windows of token ids, all of one length @param state where to go on. Default: before the first block */
  constructor(
    models: CalibratedModels,
    windows: readonly (readonly number[])[],
    rule: CalibrationRule,
    state?: CalibrationState,
  ) {
    const { model } = models;
    this.#models = models;
    this.#rule = rule;
    const length = windows[0]?.length ?? 0;
    // The rotation is computed in the dtype of the blocks.
    model.layers[0]?.to({ dtype: 'float32' });
    this.#context = noGrad(() => model.createContext(length));
    for (const tensor of Object.values(this.#context.rotary)) if (typeof tensor === 'object') tensor.keep();
    const embedded = (): Tensor[] =>
      windows.map((window) =>
        noGrad(() => scope(() => model.embed(intTensor(window, [1, length])).to('float32')).keep()),
      );
    this.#quantized = state === undefined ? embedded() : [...state.quantized];
    this.#full = models.full === undefined ? [] : state === undefined ? embedded() : [...state.full];
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
    for (const tensor of Object.values(this.#context.rotary))
      if (typeof tensor === 'object') tensor.dispose();
    this.#models.model.dispose();
    this.#models.full?.dispose();
  }

  #calibrate(index: number): void {
    const { model, full } = this.#models;
    const block = blockOf(model, index);
    const dtypes = new Map(block.namedParameters().map(([path, { dtype }]) => [path, dtype]));
    ownFloats(block);
    const inputs = full === undefined ? undefined : this.#runFull(blockOf(full, index), index);
    if (this.#rule.scales !== undefined && inputs !== undefined) {
      const { changed, exponents } = scaleBlock(
        {
          ...{ block, context: this.#context, index, inputs },
          isQuantized: ({ path, expert }) => this.#ruleOf(index, path, expert) !== undefined,
          storedDType: (path) => floatDType(dtypes.get(path)),
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
    for (const stage of stagesOf(block)) this.#roundStage(index, block, stage, inputs);
    // Without GPTQ nothing is chosen by the second stream.
    if (this.#rule.usesGptq) this.#quantized = this.#passed(block, index, this.#quantized);
    freeInputs(inputs);
    for (const used of [block, full?.layers[index]]) used?.dispose();
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

  /** All windows through a full block; what went into its matrices. */
  #runFull(block: Block, index: number): StageInputs {
    noGrad(() => block.to({ dtype: 'float32' }));
    const rows = new Map<string, Tensor[]>();
    const experts = new Map<string, InputSums[]>();
    const keepRows =
      (path: string): Seen =>
      (x) => {
        rows.set(path, [...(rows.get(path) ?? []), noGrad(() => scope(() => rowsOf(x).clone())).keep()]);
      };
    const seen = new Map<string, Seen>();
    for (const { watched, weights } of stagesOf(block)) {
      if (weights[0]?.expert === undefined) seen.set(watched, keepRows(watched));
      else {
        seen.set('mlp.router', keepRows('mlp.router'));
        const sums = sumsForExperts(weights);
        experts.set(watched, sums);
        seen.set(watched, addByExpert(sums));
      }
    }
    watchInputs(block, seen, () => {
      this.#full = this.#passed(block, index, this.#full);
    });
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
    full: readonly Tensor[] | undefined,
  ): InputSums[] {
    const isGrouped = weights[0]?.expert !== undefined;
    const sums = isGrouped ? sumsForExperts(weights) : [new InputSums()];
    const corrects = this.#rule.correction > 0;
    for (const [place, hidden] of this.#quantized.entries()) {
      const seen: Seen = isGrouped
        ? addByExpert(sums)
        : (x) => scope(() => sums[0]?.add(rowsOf(x), corrects ? full?.[place] : undefined));
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

function blockOf(model: CausalLm, index: number): Block {
  const block = model.layers[index];
  if (block === undefined) throw new RangeError(`the model has no block ${index}`);
  return block;
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
  for (const rows of inputs?.rows.values() ?? []) for (const each of rows) each.dispose();
  for (const sums of inputs?.experts.values() ?? []) for (const each of sums) each.dispose();
}
