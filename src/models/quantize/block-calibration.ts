/**
 * The integers of a model's blocks by GPTQ, block after block: each is calibrated with what the quantised blocks before it give for
 * a text, and within it each layer with what those before it give.
 */

import type { IntegerMatrix } from '../../formats/index.js';
import { isLinear, type Linear, Module } from '../../nn/index.js';
import { type GptqRule, gptq, IntegerLinear, packIntegers, placeIntegers } from '../../quantization/index.js';
import { intTensor, noGrad, scope, type Tensor } from '../../tensor/index.js';
import type { CausalLm, ForwardContext } from '../causal-lm.js';

/** Own paths of layers within their block that read one input, in the order in which a block runs them. */
type Stages = readonly (readonly string[])[];

export class BlockCalibration {
  readonly #model: CausalLm;
  readonly #rule: GptqRule;
  readonly #context: ForwardContext;
  /** What goes into the next block, a window each. */
  #hidden: Tensor[]; // [1, T, D] float32
  #next = 0;
  readonly #found = new Map<string, IntegerMatrix>();
  readonly #isQuantized: (path: string) => boolean;

  /**
   * @param model is used up: its blocks are replaced as they are done
   * @param windows of token ids, all of one length
   * @param isQuantized tells the layers, by own path
   */
  constructor(
    model: CausalLm,
    windows: readonly (readonly number[])[],
    rule: GptqRule,
    isQuantized: (path: string) => boolean,
  ) {
    this.#model = model;
    this.#rule = rule;
    this.#isQuantized = isQuantized;
    const length = windows[0]?.length ?? 0;
    this.#widen(0);
    this.#context = noGrad(() => model.createContext(length));
    for (const tensor of Object.values(this.#context.rotary)) if (typeof tensor === 'object') tensor.keep();
    this.#hidden = windows.map((window) =>
      noGrad(() => scope(() => model.embed(intTensor(window, [1, length])).to('float32')).keep()),
    );
  }

  /** Of a layer's weight, given once; undefined for one that is not calibrated. @param path own path of the layer */
  take(path: string): IntegerMatrix | undefined {
    const block = Number(/^layers\.(\d+)\./.exec(path)?.[1] ?? Number.NaN);
    while (this.#next <= block) this.#calibrate(this.#next++);
    const found = this.#found.get(path);
    this.#found.delete(path);
    return found;
  }

  dispose(): void {
    for (const hidden of this.#hidden) hidden.dispose();
    for (const tensor of Object.values(this.#context.rotary))
      if (typeof tensor === 'object') tensor.dispose();
    this.#model.dispose();
  }

  #widen(index: number): void {
    this.#model.layers[index]?.to({ dtype: 'float32' });
  }

  #calibrate(index: number): void {
    const block = this.#model.layers[index];
    if (block === undefined) throw new RangeError(`the model has no block ${index}`);
    this.#widen(index);
    const { attentionIn, attentionOut, mlpIn, mlpOut } = block.linears;
    const stages: Stages = [attentionIn, [attentionOut], mlpIn, ...(mlpOut === undefined ? [] : [[mlpOut]])];
    for (const stage of stages) {
      const paths = stage.filter((path) => this.#isQuantized(`layers.${index}.${path}`));
      const [first] = paths;
      if (first === undefined) continue;
      const recorder = this.#record(index, block, first);
      for (const path of paths) this.#replace(index, block, path, recorder.hessian);
      recorder.hessian.dispose();
    }
    const outputs = this.#hidden.map((hidden) => this.#run(index, hidden));
    for (const hidden of this.#hidden) hidden.dispose();
    this.#hidden = outputs;
  }

  #run(index: number, hidden: Tensor): Tensor {
    const block = this.#model.layers[index];
    if (block === undefined) throw new RangeError(`the model has no block ${index}`);
    return noGrad(() => scope(() => block.forward(hidden, this.#context, index))).keep();
  }

  /** Runs all windows and sums up what goes into a layer. */
  #record(index: number, block: Module, path: string): InputRecorder {
    const layer = linearAt(block, path);
    const recorder = new InputRecorder(layer);
    block.replaceModule(path, recorder);
    for (const hidden of this.#hidden) this.#run(index, hidden).dispose();
    block.replaceModule(path, layer);
    return recorder;
  }

  #replace(index: number, block: Module, path: string, hessian: Tensor): void {
    const layer = linearAt(block, path);
    const matrix = noGrad(() => scope(() => gptq(layer.dequantizedWeight(), hessian, this.#rule)));
    this.#found.set(`layers.${index}.${path}`, matrix);
    const packed = packIntegers(matrix);
    if (packed === undefined) throw new RangeError(`${path}: groups of ${this.#rule.groupSize}`);
    const { inFeatures, outFeatures, bias } = layer;
    const tensors = placeIntegers(packed, outFeatures);
    const quantized = new IntegerLinear([outFeatures, inFeatures], tensors, { bias: bias !== undefined });
    if (bias !== undefined) quantized.assign('bias', bias.detach().clone());
    block.replaceModule(path, quantized);
    layer.dispose();
  }
}

function linearAt(block: Module, path: string): Linear {
  for (const [found, module] of block.namedModules()) if (found === path && isLinear(module)) return module;
  throw new TypeError(`the block has no linear layer ${path}`);
}

/** A layer that sums x x^T over all inputs that it sees. */
class InputRecorder extends Module implements Linear {
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly layout: Linear['layout'];
  readonly addsBias = true;
  readonly #layer: Linear;
  #hessian: Tensor | undefined; // [I, I]

  constructor(layer: Linear) {
    super();
    this.#layer = layer;
    this.inFeatures = layer.inFeatures;
    this.outFeatures = layer.outFeatures;
    this.layout = layer.layout;
  }

  get weight(): Tensor {
    return this.#layer.weight;
  }

  get bias(): Tensor | undefined {
    return this.#layer.bias;
  }

  /** Throws TypeError if nothing came by. */
  get hessian(): Tensor {
    if (this.#hessian === undefined) throw new TypeError('no input was recorded');
    return this.#hessian;
  }

  forward(x: Tensor): Tensor {
    scope(() => {
      const rows = x.detach().reshape([-1, this.inFeatures]).to('float32'); // [N, I]
      const sum = rows.transpose(0, 1).matmul(rows);
      if (this.#hessian === undefined) this.#hessian = sum.keep();
      else this.#hessian.add_(sum);
    });
    return this.#layer.forward(x);
  }

  dequantizedWeight(): Tensor {
    return this.#layer.dequantizedWeight();
  }
}
