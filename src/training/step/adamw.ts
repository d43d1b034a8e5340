/**
 * AdamW with decoupled weight decay (Loshchilov & Hutter, arXiv 1711.05101), in the forms that the suites use:
 *
 * - torch: p -= lr * mhat / (sqrt(vhat) + eps)
 * - spark: p -= lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps), the eps not bias-corrected
 *   (MindFormers' AdamWeightDecayX), which is torch's form with eps / sqrt(1 - b2^t).
 * - uncorrected: p -= lr * m / (sqrt(v) + eps) (MindFormers' FP32StateAdamWeightDecay and AdamWeightDecay)
 *
 * After p *= 1 - lr * weightDecay, all of them. One fused operator updates many tensors at once. Parameters of 16 bit may have
 * float32 masters: moments and update are float32 then, and the parameter is the rounded master (Micikevicius et al. 2018,
 * arXiv 1710.03740).
 */
import { type FloatDType, full, noGrad, operator, scope, type Tensor, zeros } from '../../tensor/index.js';
import type { Gradients } from './gradient-store.js';

const fusedAdamW = operator('aten::_fused_adamw_');
const foreachMul = operator('aten::_foreach_mul_.Scalar');

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly form: 'torch' | 'spark' | 'uncorrected';
  /** Keep float32 masters and moments of parameters of 16 bit. Default false: moments in the parameter's dtype. */
  readonly masterWeights?: boolean;
  /** Where masters and moments lie, e.g. cpu for a model on an accelerator. Default: with the parameter. */
  readonly stateDevice?: string | undefined;
}

export interface OptimizedParameter {
  /** Own path: how its gradient is found. */
  readonly path: string;
  /** Published name, under which its state is saved. */
  readonly name: string;
  readonly parameter: Tensor;
  readonly weightDecay: number;
  /** The learning rate as a multiple of the step's. Default 1. */
  readonly learningRateFactor?: number;
}

interface Slot extends OptimizedParameter {
  /** The parameter itself where it has no master. */
  master: Tensor;
  first: Tensor;
  second: Tensor;
}

/** Names of the saved tensors: prefix and published name, as MindSpore's AdamWeightDecayX has them. */
const STATE_PREFIXES = { first: 'adam_m.', second: 'adam_v.', master: 'master.' } as const;

/** Where b^t is 0 for every b below 1, and the operator's correction of the bias divides by 1. */
const FAR_STEP = 2 ** 100;

/** Elements whose gradients are widened at one time: bounds the memory for it. */
const CHUNK_ELEMENTS = 2 ** 24;

export class AdamW {
  readonly #options: AdamWOptions;
  readonly #parameters: readonly OptimizedParameter[];
  readonly #slots = new Map<string, Slot>();
  #step = 0;

  constructor(parameters: readonly OptimizedParameter[], options: AdamWOptions) {
    this.#options = options;
    this.#parameters = parameters;
  }

  /** Updates made so far. */
  get steps(): number {
    return this.#step;
  }

  /**
   * One update; parameters without a gradient stay as they are.
   * @param gradientFactor what the gradients are multiplied by first (clipping, an undone loss scale). Default 1
   */
  step(gradients: Gradients, learningRate: number, gradientFactor = 1): void {
    this.#step += 1;
    noGrad(() => {
      const trained = this.#parameters.filter(({ path }) => gradients.get(path) !== undefined);
      for (const { weightDecay, factor, rows } of groupsOf(trained))
        for (const chunk of chunksOf(rows.map((row) => this.#slotOf(row))))
          scope(() => this.#update(chunk, gradients, learningRate * factor, weightDecay, gradientFactor));
    });
  }

  #update(
    slots: readonly Slot[],
    gradients: Gradients,
    learningRate: number,
    weightDecay: number,
    gradientFactor: number,
  ): void {
    const { beta1, beta2, form } = this.#options;
    const eps = form === 'spark' ? this.#options.eps / Math.sqrt(1 - beta2 ** this.#step) : this.#options.eps;
    const step = form === 'uncorrected' ? FAR_STEP : this.#step;
    const found = slots.map(({ path, master }) => {
      const gradient = gradients.get(path);
      if (gradient === undefined) throw new TypeError('only parameters with a gradient are updated');
      return gradient.to(floatDTypeOf(master)).toDevice(master.device);
    });
    if (gradientFactor !== 1) foreachMul(found, gradientFactor);
    fusedAdamW(
      slots.map(({ master }) => master),
      found,
      slots.map(({ first }) => first),
      slots.map(({ second }) => second),
      [],
      slots.map(({ master }) => full([], step, { device: master.device })),
      learningRate,
      beta1,
      beta2,
      weightDecay,
      eps,
      false,
      false,
    );
    for (const { parameter, master } of slots) if (master !== parameter) parameter.copy_(master);
  }

  /**
   * What a resumed run needs, by name; the tensors stay the optimiser's. Parameters never updated have no entry.
   * paths: of which parameter each of them is
   */
  state(): {
    readonly step: number;
    readonly tensors: Map<string, Tensor>;
    readonly paths: Map<string, string>;
  } {
    const tensors = new Map<string, Tensor>();
    const paths = new Map<string, string>();
    const add = (name: string, tensor: Tensor, path: string): void => {
      tensors.set(name, tensor);
      paths.set(name, path);
    };
    for (const { name, path, parameter, master, first, second } of this.#slots.values()) {
      add(STATE_PREFIXES.first + name, first, path);
      add(STATE_PREFIXES.second + name, second, path);
      if (master !== parameter) add(STATE_PREFIXES.master + name, master, path);
    }
    return { step: this.#step, tensors, paths };
  }

  /**
   * Takes a saved state over.
   * @param read gives the saved tensor of a name and parameter, undefined if there is none
   * Throws TypeError for a parameter of which only a part was saved.
   */
  restore(step: number, read: (name: string, row: OptimizedParameter) => Tensor | undefined): void {
    this.#step = step;
    noGrad(() => {
      for (const row of this.#parameters) {
        const first = read(STATE_PREFIXES.first + row.name, row);
        if (first === undefined) continue;
        const second = read(STATE_PREFIXES.second + row.name, row);
        if (second === undefined)
          throw new TypeError(`the state of ${row.name} has no ${STATE_PREFIXES.second}`);
        const slot = this.#slotOf(row);
        slot.first.copy_(first);
        slot.second.copy_(second);
        const master = read(STATE_PREFIXES.master + row.name, row);
        if (slot.master !== row.parameter && master !== undefined) slot.master.copy_(master);
      }
    });
  }

  dispose(): void {
    for (const { parameter, master, first, second } of this.#slots.values()) {
      first.dispose();
      second.dispose();
      if (master !== parameter) master.dispose();
    }
    this.#slots.clear();
  }

  #slotOf(row: OptimizedParameter): Slot {
    const known = this.#slots.get(row.path);
    if (known !== undefined) return known;
    const { parameter } = row;
    const { masterWeights = false, stateDevice } = this.#options;
    const device = stateDevice ?? parameter.device;
    const isNarrow = parameter.dtype === 'bfloat16' || parameter.dtype === 'float16';
    const dtype: FloatDType = masterWeights && isNarrow ? 'float32' : floatDTypeOf(parameter);
    const hasMaster = dtype !== parameter.dtype || device !== parameter.device;
    const slot: Slot = {
      ...row,
      master: hasMaster ? scope(() => parameter.detach().to(dtype).toDevice(device)).keep() : parameter,
      first: zeros(parameter.shape, { dtype, device }).keep(),
      second: zeros(parameter.shape, { dtype, device }).keep(),
    };
    this.#slots.set(row.path, slot);
    return slot;
  }
}

function floatDTypeOf({ dtype }: Tensor): FloatDType {
  if (dtype === 'float32' || dtype === 'float64' || dtype === 'bfloat16' || dtype === 'float16') return dtype;
  throw new TypeError(`a parameter of ${dtype} cannot be trained`);
}

/** Parameters that one call of the operator can update together. */
function groupsOf(parameters: readonly OptimizedParameter[]) {
  const groups = new Map<string, { weightDecay: number; factor: number; rows: OptimizedParameter[] }>();
  for (const row of parameters) {
    const { weightDecay, learningRateFactor: factor = 1 } = row;
    const key = `${weightDecay}, ${factor}`;
    const group = groups.get(key) ?? { weightDecay, factor, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return groups.values();
}

/** Slots in groups of bounded size; a bigger tensor is a group of its own. */
function* chunksOf(slots: readonly Slot[]): Generator<Slot[], void> {
  let chunk: Slot[] = [];
  let elements = 0;
  for (const slot of slots) {
    if (chunk.length > 0 && elements + slot.parameter.numElements > CHUNK_ELEMENTS) {
      yield chunk;
      chunk = [];
      elements = 0;
    }
    chunk.push(slot);
    elements += slot.parameter.numElements;
  }
  if (chunk.length > 0) yield chunk;
}
