/** An embedding that gives each row the vectors of its own adapter; MultiLoraLinear's counterpart. */
import { type Embedding, Module } from '../nn/index.js';
import { isFloatDType, operator, type Tensor } from '../tensor/index.js';
import { type AdapterMapping, replaceRows, rowsOf } from './adapter-mapping.js';

const embedding = operator('aten::embedding');
const linear = operator('xinghe::linear');

/** Stands in the tree where its base stood. The tables are no parameters of the model: they come and go. */
export class MultiEmbedding extends Module implements Embedding {
  readonly base: Embedding;
  readonly #rows: AdapterMapping;
  readonly #tables = new Map<number, Tensor>();

  /** @param rows shared by all layers of the model */
  constructor(base: Embedding, rows: AdapterMapping) {
    super();
    this.base = base;
    this.#rows = rows;
  }

  /** @param table [V, D]; a copy in the base's dtype is kept */
  attach(adapter: number, table: Tensor): void {
    this.detach(adapter);
    const { dtype, device } = this.weight;
    const placed = table.toDevice(device).to(isFloatDType(dtype) ? dtype : table.dtype);
    this.#tables.set(adapter, (placed === table ? table.clone() : placed).keep());
  }

  detach(adapter: number): void {
    this.#tables.get(adapter)?.dispose();
    this.#tables.delete(adapter);
  }

  get adapters(): number[] {
    return [...this.#tables.keys()];
  }

  get paddingId(): number | undefined {
    return this.base.paddingId;
  }

  get weight(): Tensor {
    return this.base.weight;
  }

  forward(inputIds: Tensor): Tensor {
    return this.#replace(inputIds, [], this.base.forward(inputIds), (table, ids) => embedding(table, ids));
  }

  project(hidden: Tensor): Tensor {
    const width = hidden.shape.at(-1) ?? 1;
    return this.#replace(hidden, [width], this.base.project(hidden), (table, rows) =>
      linear(rows, table.to(rows.dtype)),
    );
  }

  /** @param inputs [..., ...tail] @param result [..., K] */
  #replace(
    inputs: Tensor,
    tail: readonly number[],
    result: Tensor,
    compute: (table: Tensor, rows: Tensor) => Tensor,
  ): Tensor {
    const used = this.#rows.groups.flatMap(({ adapter, rows }) => {
      const table = this.#tables.get(adapter);
      return table === undefined ? [] : [{ rows, table }];
    });
    const [first] = used;
    if (first === undefined) return result;
    const count = result.numElements / (result.shape.at(-1) ?? 1);
    if (count !== this.#rows.count)
      throw new TypeError(`${count} rows, but the adapters were told for ${this.#rows.count}`);
    if (first.rows === 'all') return compute(first.table, inputs);
    const flat = inputs.reshape([count, ...tail]);
    const outputs = result.view([count, result.shape.at(-1) ?? 1]); // the memory of `result`
    for (const { rows, table } of used) replaceRows(outputs, rows, compute(table, rowsOf(flat, rows)));
    return result;
  }

  override *namedModules(prefix = ''): ReturnType<Module['namedModules']> {
    yield [prefix, this];
    yield* this.base.namedModules(prefix);
  }

  protected override ownerOf(key: string): Module {
    return Object.hasOwn(this, key) ? this : this.base;
  }

  override dispose(): void {
    for (const adapter of this.adapters) this.detach(adapter);
    super.dispose();
  }
}
