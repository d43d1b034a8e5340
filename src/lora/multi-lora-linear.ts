/**
 * A linear layer beside which several adapters lie, each row of a batch going by its own. Every row gets the numbers that
 * `LoraLinear` with its adapter gives it alone; a row without one gets the base's, bit for bit.
 *
 * Shapes: N rows (leading dimensions flattened), n rows of one adapter, I input features, O output features, R rank.
 */
import { type Linear, WrappedLinear } from '../nn/index.js';
import { isFloatDType, noGrad, operator, scope, type Tensor } from '../tensor/index.js';
import { type AdapterMapping, replaceRows, rowsOf } from './adapter-mapping.js';
import { type LoraOptions, loraScale } from './lora-options.js';
import { rowNorms } from './row-norms.js';

const linear = operator('xinghe::linear');

/** What one adapter is to one layer. */
export interface LoraUpdate {
  readonly options: LoraOptions;
  /** None: only weight or bias are its own. */
  readonly loraA?: Tensor | undefined; // [R, I]
  readonly loraB?: Tensor | undefined; // [O, R]
  /** Needed if the options say DoRA. */
  readonly loraMagnitude?: Tensor | undefined; // [O]
  readonly loraBias?: Tensor | undefined; // [O]
  /** In place of the base's. */
  readonly weight?: Tensor | undefined; // [O, I], or [I, O] with layout in-out
  readonly bias?: Tensor | undefined; // [O]
  /** Sums over the parts of a layer whose inputs are shared out. Default: this is the whole. */
  readonly sumInputs?: ((values: Tensor) => Tensor) | undefined;
}

/** In the dtype of the layer, ready to be used. */
interface AttachedUpdate {
  readonly scale: number;
  readonly matrices:
    | { readonly loraA: Tensor; readonly loraB: Tensor; readonly loraBias: Tensor | undefined }
    | undefined;
  /** Where weight or bias are its own: both. */
  readonly own: { readonly weight: Tensor; readonly bias: Tensor | undefined } | undefined;
  /** m / ||W + scale * B A|| of DoRA, and that less 1. */
  readonly direction: { readonly factor: Tensor; readonly excess: Tensor } | undefined; // [O]
}

/** Stands in the tree where its base stood. The adapters are no parameters of the model: they come and go. */
export class MultiLoraLinear extends WrappedLinear {
  readonly #rows: AdapterMapping;
  readonly #updates = new Map<number, AttachedUpdate>();

  /** @param rows shared by all layers of the model */
  constructor(base: Linear, rows: AdapterMapping) {
    super(base);
    this.#rows = rows;
  }

  /** Takes copies in the dtype of the base (a quantised base: in their own). The base's weight must not change afterwards. */
  attach(adapter: number, update: LoraUpdate): void {
    this.detach(adapter);
    noGrad(() =>
      scope(() => {
        const attached = this.#prepare(update);
        // Kept when all are made, so that nothing stays behind when memory runs out before.
        for (const tensor of tensorsOf(attached)) tensor.keep();
        this.#updates.set(adapter, attached);
      }),
    );
  }

  #prepare(update: LoraUpdate): AttachedUpdate {
    const { options, loraA, loraB, loraMagnitude, loraBias, weight, bias, sumInputs } = update;
    const scale = loraScale(options);
    const { dtype, device } = this.weight;
    const own = (tensor: Tensor): Tensor => {
      const placed = tensor.toDevice(device).to(isFloatDType(dtype) ? dtype : tensor.dtype);
      return placed === tensor ? tensor.clone() : placed;
    };
    const turned =
      weight === undefined || this.layout === 'out-in' ? weight : weight.transpose(0, 1).contiguous();
    const dense = turned?.toDevice(device) ?? this.base.dequantizedWeight(); // [O, I]
    const usedBias = bias ?? this.bias;
    const replaced =
      weight === undefined && bias === undefined
        ? undefined
        : { weight: own(dense), bias: usedBias === undefined ? undefined : own(usedBias) };
    if (loraA === undefined || loraB === undefined)
      return { scale, matrices: undefined, own: replaced, direction: undefined };
    let direction: AttachedUpdate['direction'];
    if (options.dora === true) {
      if (loraMagnitude === undefined) throw new TypeError('an adapter of DoRA without a magnitude');
      // The norms come from the matrices as they were saved, as in LoraLinear.
      const moved = { loraA: loraA.toDevice(device), loraB: loraB.toDevice(device), scale };
      const norms = rowNorms(dense, moved, sumInputs);
      const factor = loraMagnitude.toDevice(device).to(norms.dtype).div(norms);
      direction = { factor: own(factor), excess: own(factor.sub(1)) };
    }
    const matrices = {
      loraA: own(loraA),
      loraB: own(loraB),
      loraBias: loraBias === undefined ? undefined : own(loraBias),
    };
    return { scale, matrices, own: replaced, direction };
  }

  /** Frees what the adapter had here; nothing if it had nothing. */
  detach(adapter: number): void {
    const update = this.#updates.get(adapter);
    if (update === undefined) return;
    this.#updates.delete(adapter);
    for (const tensor of tensorsOf(update)) tensor.dispose();
  }

  /** Numbers of the adapters that are attached. */
  get adapters(): number[] {
    return [...this.#updates.keys()];
  }

  forward(x: Tensor): Tensor {
    const result = this.base.forward(x);
    const used = this.#rows.groups.flatMap(({ adapter, rows }) => {
      const update = this.#updates.get(adapter);
      return update === undefined ? [] : [{ rows, update }];
    });
    const [first] = used;
    if (first === undefined) return result;
    const width = x.size(-1); // of this process's inputs
    const count = x.numElements / width;
    if (count !== this.#rows.count)
      throw new TypeError(`${count} rows, but the adapters were told for ${this.#rows.count}`);
    if (first.rows === 'all') return this.#adapt(x, result, first.update);
    const inputs = x.reshape([count, width]); // [N, I]
    const outputs = result.view([count, result.size(-1)]); // [N, O], the memory of `result`
    for (const { rows, update } of used)
      replaceRows(outputs, rows, this.#adapt(rowsOf(inputs, rows), rowsOf(outputs, rows), update));
    return result;
  }

  /** The same steps as in LoraLinear. @param x [..., I] @param baseResult of the base [..., O] */
  #adapt(x: Tensor, baseResult: Tensor, { matrices, own, scale, direction }: AttachedUpdate): Tensor {
    const { dtype } = x;
    // Of the parts of a sum one has the biases.
    const ownBias = this.addsBias ? own?.bias?.to(dtype) : undefined;
    const result = own === undefined ? baseResult : linear(x, own.weight.to(dtype), ownBias);
    if (matrices === undefined) return result;
    const { loraA, loraB, loraBias } = matrices;
    const updateBias = this.addsBias ? loraBias?.to(dtype) : undefined;
    const update = linear(linear(x, loraA.to(dtype)), loraB.to(dtype), updateBias).mul(scale);
    if (direction === undefined) return result.add(update);
    const baseBias = this.addsBias ? this.bias : undefined;
    const bias = own === undefined ? baseBias : ownBias;
    const unbiased = bias === undefined ? result : result.sub(bias);
    const { factor, excess } = direction;
    return result.add(unbiased.mul(excess.to(dtype))).add(update.mul(factor.to(dtype)));
  }

  override dispose(): void {
    for (const adapter of this.adapters) this.detach(adapter);
    super.dispose();
  }
}

function tensorsOf({ matrices, own, direction }: AttachedUpdate): Tensor[] {
  return [
    ...[matrices?.loraA, matrices?.loraB, matrices?.loraBias],
    ...[own?.weight, own?.bias, direction?.factor, direction?.excess],
  ].filter((tensor) => tensor !== undefined);
}
