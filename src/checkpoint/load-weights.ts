/** Loads published weight files into a module, without a copy where container, dtype and device allow it. */
import { InputError } from '../errors/index.js';
import { type FileDtype, placeOfView, sameBytes, type TensorView } from '../formats/index.js';
import { log } from '../log/index.js';
import type { Module } from '../nn/index.js';
import { type FloatDType, isFloatDType, noGrad, scope, type Tensor, zeros } from '../tensor/index.js';
import { isCounter, type ModelTensors } from './model-tensors.js';
import type { NameTable } from './name-table.js';
import { openModelTensors } from './open-model-tensors.js';
import type { ParallelLayout } from './parallel-layout.js';
import { ParameterReader } from './parameter-reader.js';
import { keepIntegers } from './quantized/keep-integers.js';
import { turnIntegers } from './quantized/turn-integers.js';
import type { TensorCut } from './tensor-cut.js';
import type { WeightTables } from './weight-tables.js';

export const INTEGER_ACTIVATIONS = ['auto', 'int8', 'none'] as const;
export type IntegerActivations = (typeof INTEGER_ACTIVATIONS)[number];

export interface LoadWeightsOptions {
  /** Cast every parameter; default: as it lies in the file. */
  readonly dtype?: FloatDType | undefined;
  /** Default cpu. */
  readonly device?: string | undefined;
  /**
   * Linear layers and embeddings that their files keep in integers stay so (`IntegerLinear`, `IntegerEmbedding`), where their groups allow it: a fraction of the
   * memory, and nothing that could be trained or saved. Default false: all weights become floats.
   */
  readonly keepIntegers?: boolean | undefined;
  /**
   * How layers that are kept as integers multiply: `int8` rounds their inputs to 8 bits, in groups, and multiplies integers, several
   * times as fast on the CPU; `none` multiplies floats; `auto` rounds where some weights have 4 bits or less, whose own rounding costs
   * fifty times as much and more, on the CPU and not in float64. Default none.
   */
  readonly integerActivations?: IntegerActivations | undefined;
  /** Of a checkpoint of many ranks. Default: that in its layout.json, else model parallelism alone. */
  readonly layout?: ParallelLayout | undefined;
  /**
   * Parameters of which a part is read, by own path: `module` has the shapes of the parts. Of the others the whole is read, and stays
   * in the mapped file. Default: none.
   */
  readonly cuts?: ReadonlyMap<string, TensorCut> | undefined;
  /** false: of this parameter nothing is read, it has a shape and no values. Default: all are read. */
  readonly isHere?: ((path: string) => boolean) | undefined;
}

/** Few names suffice to see what is wrong; a 13B model has hundreds. */
const NAMES_IN_MESSAGE = 5;

/**
 * Fills `module` from a file in any container, an index of shards, a folder, or a folder of ranks; in any naming of the
 * family. On the CPU, in the file's dtype and unless it is put together from pieces, a parameter lies in the mapped file:
 * nothing is read before it is used.
 * @throws InputError for a missing, surplus or unknown tensor, a wrong shape, a dtype that is not floating point.
 */
export function loadWeights(
  module: Module,
  tables: WeightTables,
  path: string,
  options: LoadWeightsOptions = {},
): void {
  const source = new WeightSource(module, tables, path, options);
  source.load(module, source.paths);
}

/** The weights of a module as they lie in files, read some at a time. */
export class WeightSource {
  /** Own paths of all. */
  readonly paths: readonly string[];
  readonly #options: LoadWeightsOptions;
  readonly #model: ModelTensors;
  readonly #views: ReadonlyMap<string, TensorView>;
  readonly #roundsInput: boolean;

  /** @param module whose parameters have the shapes that are wanted @throws InputError as `loadWeights` does for names and shapes */
  constructor(module: Module, tables: WeightTables, path: string, options: LoadWeightsOptions = {}) {
    const { cuts = new Map<string, TensorCut>() } = options;
    const shapes = new Map(
      module.namedParameters().map(([ownPath, { shape }]) => [ownPath, cuts.get(ownPath)?.shape ?? shape]),
    );
    this.#options = options;
    this.#model = turnIntegers(openModelTensors(path, tables, { layout: options.layout, shapes }), module);
    this.#views = matchNames(shapes, tables, path, this.#model);
    this.#roundsInput = roundsInputs(options, this.#views, path);
    this.paths = [...this.#views.keys()];
  }

  /** Fills these parameters of `module`. @throws InputError for a dtype that is not floating point */
  load(module: Module, paths: readonly string[]): void {
    const options = this.#options;
    const { dtype, factors } = this.#model;
    const { cuts, isHere = () => true } = options;
    const wanted = { ...options, dtype: options.dtype ?? floatOnly(dtype) };
    const chosen = new Set(paths);
    const views = new Map([...this.#views].filter(([ownPath]) => chosen.has(ownPath)));
    const reader = new ParameterReader();
    try {
      const kept =
        options.keepIntegers === true
          ? keepIntegers(module, views, reader, { ...options, roundsInput: this.#roundsInput })
          : new Set();
      noGrad(() => {
        for (const [ownPath, view] of views) {
          if (kept.has(ownPath)) continue;
          if (!isHere(ownPath)) {
            scope(() =>
              module.assign(ownPath, withoutValues(view.shape, wanted.dtype ?? floatOnly(view.dtype))),
            );
            continue;
          }
          const parameter = reader.read(view, wanted, cuts?.get(ownPath));
          module.assign(ownPath, divided(parameter, factors.get(ownPath) ?? 1));
        }
      });
    } finally {
      reader.dispose();
    }
  }
}

/** @throws InputError where it is asked for and there is no such product */
function roundsInputs(
  { integerActivations = 'none', device = 'cpu', dtype }: LoadWeightsOptions,
  views: ReadonlyMap<string, TensorView>,
  path: string,
): boolean {
  if (integerActivations === 'none') return false;
  const integers = [...views.values()].flatMap((view) => view.integers ?? []);
  const hindrance =
    device !== 'cpu'
      ? `on ${device}, only on the CPU`
      : dtype === 'float64'
        ? 'in float64'
        : integers.length === 0
          ? 'where no weights are integers'
          : undefined;
  if (hindrance !== undefined && integerActivations === 'int8')
    throw new InputError(
      `${path}: activations cannot be rounded to int8 ${hindrance}. Take auto or none (--integer-activations).`,
    );
  if (integerActivations === 'int8') return true;
  return hindrance === undefined && integers.some(({ bits }) => bits < 8);
}

/** A shape without memory of its own. */
export function withoutValues(shape: readonly number[], dtype: FloatDType = 'float32'): Tensor {
  return zeros([1], { dtype }).expand([...shape]);
}

function floatOnly(dtype: FileDtype | undefined): FloatDType | undefined {
  return dtype !== undefined && isFloatDType(dtype) ? dtype : undefined;
}

function divided(parameter: Tensor, factor: number): Tensor {
  if (factor === 1) return parameter;
  const result = parameter.div(factor);
  parameter.dispose();
  return result;
}

/** @param parameters shape of each, whole @returns own path -> where it lies, for every parameter, or one message with all that does not fit. */
function matchNames(
  parameters: ReadonlyMap<string, readonly number[]>,
  tables: WeightTables,
  path: string,
  model: ModelTensors,
): Map<string, TensorView> {
  const matched = new Map<string, TensorView>();
  // Counters and the like tell about a training; anything else is a sign of another model.
  const surplus = [...model.others.keys()].filter((name) => !isCounter(name));
  const missing: string[] = [];
  for (const [ownPath, view] of model.weights) {
    const parameter = parameters.get(ownPath);
    if (parameter === undefined) {
      if (isTiedTwin(ownPath, view, model.weights, tables.names, path)) continue;
      surplus.push(model.names.get(ownPath) ?? tables.names.piecesOf(ownPath)?.(0) ?? view.source);
      continue;
    }
    const nameOf = model.names.has(ownPath) ? undefined : tables.names.piecesOf(ownPath);
    if (nameOf !== undefined && differsInCount(parameter, view.shape)) {
      const [wanted = 0, found = 0] = [parameter[0], view.shape[0]];
      for (let index = found; index < wanted; index++) missing.push(nameOf(index));
      for (let index = wanted; index < found; index++) surplus.push(nameOf(index));
      matched.set(ownPath, view);
      continue;
    }
    if (parameter.join() !== view.shape.join())
      throw new InputError(
        `${placeOfView(view, path)}: tensor "${view.source}" has shape [${view.shape.join(', ')}], the config asks for ` +
          `[${parameter.join(', ')}]; config and weights do not belong together.`,
      );
    matched.set(ownPath, view);
  }
  for (const [ownPath, shape] of parameters) {
    if (matched.has(ownPath)) continue;
    const nameOf = tables.names.piecesOf(ownPath);
    if (nameOf === undefined) missing.push(tables.names.toPublished(ownPath));
    else for (let index = 0; index < (shape[0] ?? 0); index++) missing.push(nameOf(index));
  }
  if (missing.length + surplus.length > 0)
    throw new InputError(mismatch(path, missing, surplus, parameters.size));
  return matched;
}

/** In the number of pieces alone. */
function differsInCount(wanted: readonly number[], found: readonly number[]): boolean {
  return wanted[0] !== found[0] && wanted.slice(1).join() === found.slice(1).join();
}

/**
 * torch writes a tied output projection a second time. Where it is another matrix, the config decides, as in transformers,
 * and stderr says so.
 */
function isTiedTwin(
  ownPath: string,
  view: TensorView,
  weights: ReadonlyMap<string, TensorView>,
  { embeddingWeight, headWeight }: NameTable,
  path: string,
): boolean {
  const embedding = ownPath === headWeight ? weights.get(embeddingWeight ?? '') : undefined;
  if (embedding === undefined) return false;
  if (!sameBytes(view, embedding))
    log(
      `${path}: "${view.source}" is not the embedding, but the config ties the two (tie_word_embeddings): it is left out`,
    );
  return true;
}

function mismatch(path: string, missing: string[], surplus: string[], expected: number): string {
  const list = (names: string[]): string =>
    names.slice(0, NAMES_IN_MESSAGE).join(', ') +
    (names.length > NAMES_IN_MESSAGE ? ` and ${names.length - NAMES_IN_MESSAGE} more` : '');
  const parts = [`${path}: the tensors do not fit the config, which asks for ${expected}`];
  if (missing.length > 0) parts.push(`missing: ${list(missing)}`);
  if (surplus.length > 0) parts.push(`not part of this model: ${list(surplus)}`);
  return `${parts.join('; ')}. Check that config and weights belong together.`;
}
