/** Which adapter each row of a forward pass uses: told once a pass, read by every adapted layer. */
import { intTensor, scope, Tensor } from '../tensor/index.js';

/** Rows of one adapter. */
export interface RowGroup {
  readonly adapter: number;
  /** Every row; rows one after the other; or an index, int64 [rows of the group]. */
  readonly rows: 'all' | { readonly start: number; readonly length: number } | Tensor;
}

interface Run {
  readonly adapter: number | undefined;
  readonly start: number;
  readonly length: number;
}

export class AdapterMapping {
  readonly #device: string;
  #groups: readonly RowGroup[] = [];
  #count: number | undefined;

  /** @param device where the layers lie */
  constructor(device = 'cpu') {
    this.#device = device;
  }

  /** One group for each adapter that has rows; none: every row is the base's. */
  get groups(): readonly RowGroup[] {
    return this.#groups;
  }

  /** Rows of the pass; undefined while any number may come, because no adapter is used. */
  get count(): number | undefined {
    return this.#count;
  }

  /** @param adapterOfRow a number for each row of the inputs with their leading dimensions flattened; undefined: the base */
  setRows(adapterOfRow: readonly (number | undefined)[]): void {
    this.clear();
    const runs = runsOf(adapterOfRow);
    const byAdapter = new Map<number, Run[]>();
    for (const run of runs)
      if (run.adapter !== undefined) byAdapter.set(run.adapter, [...(byAdapter.get(run.adapter) ?? []), run]);
    if (byAdapter.size === 0) return;
    this.#count = adapterOfRow.length;
    this.#groups = [...byAdapter].map(([adapter, own]) => ({
      adapter,
      rows: runs.length === 1 ? 'all' : this.#rowsOf(own),
    }));
  }

  /** From now on every row is the base's. */
  clear(): void {
    for (const { rows } of this.#groups) if (rows !== 'all' && 'dispose' in rows) rows.dispose();
    this.#groups = [];
    this.#count = undefined;
  }

  #rowsOf(runs: readonly Run[]): RowGroup['rows'] {
    const [first] = runs;
    if (first !== undefined && runs.length === 1) return { start: first.start, length: first.length };
    const index = runs.flatMap(({ start, length }) => Array.from({ length }, (_, offset) => start + offset));
    return scope(() => intTensor(index, undefined, { device: this.#device }).keep());
  }
}

function runsOf(adapterOfRow: readonly (number | undefined)[]): Run[] {
  const runs: Run[] = [];
  for (let start = 0; start < adapterOfRow.length; ) {
    const adapter = adapterOfRow[start];
    let end = start + 1;
    while (end < adapterOfRow.length && adapterOfRow[end] === adapter) end += 1;
    runs.push({ adapter, start, length: end - start });
    start = end;
  }
  return runs;
}

/** The rows of a group. @param tensor [N, ...] */
export function rowsOf(tensor: Tensor, rows: RowGroup['rows']): Tensor {
  if (rows === 'all') return tensor;
  return rows instanceof Tensor ? tensor.indexSelect(0, rows) : tensor.narrow(0, rows.start, rows.length);
}

/** @param outputs [N, ...], of which the rows of the group are written */
export function replaceRows(outputs: Tensor, rows: RowGroup['rows'], values: Tensor): void {
  if (rows instanceof Tensor) outputs.indexCopy_(0, rows, values);
  else rowsOf(outputs, rows).copy_(values);
}
