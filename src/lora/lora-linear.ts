/**
 * A linear layer with a low-rank update beside its frozen weight: y = x W^T + b + scale * (x A^T) B^T
 * (Hu et al. 2021, arXiv 2106.09685). With a magnitude m (DoRA, arXiv 2402.09353) each output is rescaled,
 *
 *   y = g * (x W^T + scale * (x A^T) B^T) + b,  g = m / ||W + scale * B A|| by rows,
 *
 * the norm standing outside of the graph (section 4.3 there). Where dropout zeroes inputs, PEFT lets it zero those of the
 * correction (g - 1) * x W^T too, and so do we.
 *
 * Shapes: I input features, O output features, R rank, … any leading dimensions.
 */
import { type Linear, parameter, WrappedLinear } from '../nn/index.js';
import { empty, noGrad, operator, type RandomGenerator, type Tensor } from '../tensor/index.js';
import { type LoraOptions, loraScale } from './lora-options.js';
import { rowNorms, wideDType } from './row-norms.js';

const linear = operator('xinghe::linear');
const bernoulli = operator('aten::bernoulli_.float');
const version = operator('aten::_version');

/** What a layer has of the inputs of a layer that is split over several processes. */
export interface InputPart {
  /** The first of them. */
  readonly start: number;
  /** Inputs of the whole layer. */
  readonly inFeatures: number;
  /** Sums a number for each output over all parts. */
  sum(values: Tensor): Tensor;
}

/** What a layer has of the tokens of rows that several processes share. */
export interface TokenPart {
  /** Tokens of a whole row. */
  count(): number;
  /** @param whole [B, T, I] @returns [B, t, I] */
  own(whole: Tensor): Tensor;
}

interface CachedNorms {
  readonly norms: Tensor;
  /** What they were computed from, and how often that had been written to. */
  readonly sources: readonly (readonly [tensor: Tensor, version: number])[];
}

/** Stands in the tree where its base stood: the base's parameters keep their paths. */
export class LoraLinear extends WrappedLinear {
  loraA: Tensor; // [R, I]
  loraB: Tensor; // [O, R]
  loraMagnitude: Tensor | undefined; // [O], of DoRA
  loraBias: Tensor | undefined; // [O], if the options say so
  readonly options: LoraOptions;
  /** Draws the dropout in training; undefined in evaluation and generation: no dropout. */
  dropoutGenerator: RandomGenerator | undefined;
  /** undefined: it has all inputs. */
  inputPart: InputPart | undefined;
  /** undefined: it reads all tokens. */
  tokenPart: TokenPart | undefined;
  /** false: the layer is its base, as if there were no adapter. */
  isEnabled = true;
  #cached: CachedNorms | undefined;

  /** Takes `base` over, which may be quantised. The adapter has no values yet. */
  constructor(base: Linear, options: LoraOptions) {
    super(base);
    this.options = options;
    this.loraA = parameter(options.rank, base.inFeatures);
    this.loraB = parameter(base.outFeatures, options.rank);
    this.loraMagnitude = options.dora === true ? parameter(base.outFeatures) : undefined;
    this.loraBias = options.bias === true ? parameter(base.outFeatures) : undefined;
  }

  forward(x: Tensor): Tensor {
    const { base, loraMagnitude: magnitude } = this;
    if (!this.isEnabled) return base.forward(x);
    const dropped = this.#dropOut(x);
    const inner = linear(dropped, this.loraA.to(x.dtype));
    // Of the parts of a sum one has the bias.
    const loraBias = base.addsBias ? this.loraBias?.to(x.dtype) : undefined;
    const update = linear(inner, this.loraB.to(x.dtype), loraBias).mul(this.scale);
    const result = base.forward(x);
    if (magnitude === undefined) return result.add(update);
    const biased = dropped === x ? result : base.forward(dropped);
    const direction = base.bias === undefined || !base.addsBias ? biased : biased.sub(base.bias);
    const norms = this.#norms();
    const factor = magnitude.to(norms.dtype).div(norms);
    return result.add(direction.mul(factor.sub(1).to(x.dtype))).add(update.mul(factor.to(x.dtype)));
  }

  #dropOut(x: Tensor): Tensor {
    const { dropout = 0 } = this.options;
    if (dropout === 0 || this.dropoutGenerator === undefined) return x;
    const { dtype, device } = x;
    const { start, inFeatures } = this.inputPart ?? { start: 0, inFeatures: x.size(-1) };
    const { tokenPart } = this;
    const shape = tokenPart === undefined ? x.shape.slice(0, -1) : [x.size(0), tokenPart.count()];
    const drawn = empty([...shape, inFeatures], { dtype, device });
    const all = bernoulli(drawn, 1 - dropout, this.dropoutGenerator).narrow(-1, start, x.size(-1));
    const kept = tokenPart?.own(all) ?? all;
    return x.mul(kept.mul(1 / (1 - dropout)));
  }

  /** Row lengths of the adapted weight [O]: computed anew while the matrices are trained, remembered while they are not. */
  #norms(): Tensor {
    const { loraA, loraB, scale } = this;
    const sources = [loraA, loraB, this.base.weight].map((tensor) => [tensor, version(tensor)] as const);
    const isTrained = loraA.requiresGrad || loraB.requiresGrad;
    const known = this.#cached;
    const isValid = known?.sources.every(
      ([tensor, count], index) => tensor === sources[index]?.[0] && count === sources[index][1],
    );
    if (known !== undefined && isValid === true && !isTrained) return known.norms;
    this.#forgetNorms();
    const norms = rowNorms(this.base.dequantizedWeight(), { loraA, loraB, scale }, this.inputPart?.sum);
    if (!isTrained) this.#cached = { norms: norms.keep(), sources };
    return norms;
  }

  #forgetNorms(): void {
    this.#cached?.norms.dispose();
    this.#cached = undefined;
  }

  get scale(): number {
    return loraScale(this.options);
  }

  /** The parameters of the adapter, without those of the base. */
  get adapterParameters(): Tensor[] {
    const { loraA, loraB, loraMagnitude, loraBias } = this;
    return [loraA, loraB, loraMagnitude, loraBias].filter((tensor) => tensor !== undefined);
  }

  /** The weight with the adapter worked in, in the base's layout and the dtype of its dense weight. */
  mergedWeight(): Tensor {
    return noGrad(() => {
      const weight = this.base.dequantizedWeight(); // [O, I]
      const wide = wideDType(weight);
      const update = this.loraB.to(wide).matmul(this.loraA.to(wide)).mul(this.scale);
      let merged = weight.to(wide).add(update);
      if (this.loraMagnitude !== undefined)
        merged = merged.mul(this.loraMagnitude.to(wide).div(this.#norms()).unsqueeze(1));
      const placed = this.layout === 'out-in' ? merged : merged.transpose(0, 1).contiguous();
      return placed.to(weight.dtype);
    });
  }

  /** The bias with the adapter's worked in; the base's where that has none. Throws TypeError if the base has no place for it. */
  mergedBias(): Tensor | undefined {
    const { bias } = this.base;
    const { loraBias, loraMagnitude } = this;
    if (loraBias === undefined) return bias;
    if (bias === undefined) throw new TypeError('a bias of an adapter on a layer without one');
    return noGrad(() => {
      const wide = wideDType(bias);
      let update = loraBias.to(wide).mul(this.scale);
      if (loraMagnitude !== undefined) update = update.mul(loraMagnitude.to(wide).div(this.#norms()));
      return bias.to(wide).add(update).to(bias.dtype);
    });
  }

  override dispose(): void {
    this.#forgetNorms();
    super.dispose();
  }
}
