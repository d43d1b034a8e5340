// Paged attention: against scaled_dot_product_attention in float64, against its composed form, and against itself, since
// the bits of a row may not depend on what runs beside it.
//
// Shapes: T rows of a call, S tokens of a sequence, H heads, K heads of keys and values, E head_dim, P pages, N sequences,
// C key tables.
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { casesOf, isLongSuite } from '../../tests/support/long-suite.js';
import {
  arange,
  cat,
  type DType,
  full,
  getThreads,
  intTensor,
  operator,
  RandomGenerator,
  randn,
  scope,
  setThreads,
  stack,
  type Tensor,
  zeros,
} from '../tensor/index.js';
import { applyRotary } from './rotary.js';

const kernel = operator('xinghe::paged_attention');
const composed = operator('xinghe::paged_attention_composed');
const scaledDotProductAttention = operator('aten::scaled_dot_product_attention');
const viewAs = operator('aten::view.dtype');
const isSame = operator('aten::equal');
const round = operator('aten::round');
const largest = operator('aten::amax');

const PAGE = 16;
const dtypes = ['float64', 'float32', 'bfloat16', 'float16'] as const;
type TestedDType = (typeof dtypes)[number];

// Of the largest element. For the narrow types half a unit in the last place of the result: the sums are float32.
const tolerances: Record<TestedDType, number> = {
  float64: 1e-13,
  float32: 2e-6,
  bfloat16: 2 ** -8 + 1e-5,
  float16: 2 ** -11 + 1e-5,
};

interface Layout {
  readonly dtype: TestedDType;
  readonly isInt8: boolean;
  readonly heads: number;
  /** Query heads that share a head of keys and values; default 1. */
  readonly group?: number;
  readonly headDim: number;
  readonly window: number;
  /** Number of key tables; 0: keys are stored turned. */
  readonly tables: number;
}

const plain: Layout = { dtype: 'float32', isInt8: false, heads: 2, headDim: 64, window: 0, tables: 0 };

interface Sequence {
  readonly q: Tensor; // [1, H, S, E]
  readonly k: Tensor; // [1, K, S, E]
  readonly v: Tensor;
  readonly length: number;
  /** Positions that others do not look at. */
  readonly masked: readonly number[];
  readonly keyTable: number;
}

/** `count` tokens of a sequence from position `from` on. */
interface Piece {
  readonly sequence: number;
  readonly from: number;
  readonly count: number;
}

function sequenceOf(
  { dtype, heads, group = 1, headDim, tables }: Layout,
  generator: RandomGenerator,
  length: number,
  masked: readonly number[] = [],
  keyTable = 0,
): Sequence {
  const random = (count: number): Tensor =>
    randn([1, length, count, headDim], generator, { dtype }).transpose(1, 2);
  return {
    q: random(heads).mul(2),
    k: random(heads / group),
    v: random(heads / group),
    length,
    masked,
    keyTable: tables === 0 ? 0 : keyTable,
  };
}

/** cos and sin [C, S, E] of no particular rotation, other ones for each table. */
function keyTables({ dtype, headDim, tables }: Layout, positions: number): [Tensor, Tensor] | undefined {
  if (tables === 0) return undefined;
  const angles = stack(
    Array.from({ length: tables }, (_, table) =>
      arange(0, positions, { dtype: 'float64' })
        .unsqueeze(1)
        .mul(arange(1, headDim + 1, { dtype: 'float64' }).mul(0.07 + 0.05 * table)),
    ),
    0,
  );
  return [angles.cos().to(dtype), angles.sin().to(dtype)];
}

/** Sequences and the pages that hold them; what was never stored is not a number. */
class Pool {
  readonly layout: Layout;
  readonly sequences: readonly Sequence[];
  readonly tables: number[][];
  readonly keyPages: Tensor;
  readonly valuePages: Tensor;
  readonly scales: readonly [Tensor, Tensor] | undefined;
  readonly attended: Tensor;
  readonly keyTables: [Tensor, Tensor] | undefined;

  /** @param seed of the order of the pages */
  constructor(layout: Layout, sequences: readonly Sequence[], seed = 1) {
    const { dtype, isInt8, headDim } = layout;
    const kvHeads = layout.heads / (layout.group ?? 1);
    this.layout = layout;
    this.sequences = sequences;
    const blocks = sequences.map(({ length }) => Math.ceil(length / PAGE));
    const pages = blocks.reduce((sum, count) => sum + count, 0) + 1;
    const order = shuffled(pages, seed);
    this.tables = blocks.map((count) => order.splice(0, count));
    const pageType = isInt8 ? 'int8' : dtype;
    const filling = isInt8 ? 127 : Number.NaN;
    this.keyPages = full([pages, kvHeads, headDim, PAGE], filling, { dtype: pageType });
    this.valuePages = full([pages, kvHeads, PAGE, headDim], filling, { dtype: pageType });
    const scales = (): Tensor => full([pages, kvHeads, PAGE], Number.NaN);
    this.scales = isInt8 ? [scales(), scales()] : undefined;
    const attended = new Array<number>(pages * PAGE).fill(1);
    for (const [index, { masked }] of sequences.entries())
      for (const position of masked)
        attended[(this.tables[index]?.[Math.floor(position / PAGE)] ?? 0) * PAGE + (position % PAGE)] = 0;
    this.attended = intTensor(attended, [pages, PAGE], { dtype: 'uint8' });
    this.keyTables = keyTables(layout, Math.max(...sequences.map(({ length }) => length)));
  }

  /** Results of the pieces, [1, H, count, E] each. @param gap rows that belong to none, before each piece */
  attend(pieces: readonly Piece[], { operation = kernel, gap = 0 } = {}): Tensor[] {
    const { dtype, heads, group = 1, headDim, window } = this.layout;
    const padding = (of: 'q' | 'k' | 'v'): Tensor =>
      full([1, of === 'q' ? heads : heads / group, gap, headDim], Number.NaN, { dtype });
    const rows = (of: 'q' | 'k' | 'v'): Tensor =>
      cat(
        pieces.flatMap(({ sequence, from, count }) => [
          padding(of),
          this.#sequence(sequence)[of].narrow(2, from, count),
        ]),
        2,
      );
    const starts = pieces.map((_, index) =>
      pieces.slice(0, index).reduce((sum, { count }) => sum + count + gap, gap),
    );
    const width = Math.max(1, ...this.tables.map((table) => table.length));
    const tables = pieces.flatMap(({ sequence }) => {
      const table = this.tables[sequence] ?? [];
      return Array.from({ length: width }, (_, block) => table[block] ?? -1);
    });
    const numbers = pieces.flatMap(({ sequence, from, count }, index) => [
      starts[index] ?? 0,
      count,
      from,
      this.#sequence(sequence).keyTable,
    ]);
    // As a projection leaves it: [1, T, H, E].
    const laid = (x: Tensor): Tensor => x.transpose(1, 2).contiguous().transpose(1, 2);
    const result = operation(
      laid(rows('q')),
      laid(rows('k')),
      rows('v'),
      this.keyPages,
      this.valuePages,
      this.scales?.[0],
      this.scales?.[1],
      this.attended,
      intTensor(tables, [pieces.length, width], { dtype: 'int32' }),
      intTensor(numbers, [pieces.length, 4], { dtype: 'int32' }),
      window,
      this.keyTables?.[0],
      this.keyTables?.[1],
    );
    expect(result.transpose(1, 2).strides, 'lies as [1, T, H, E]').toEqual(
      result.transpose(1, 2).contiguous().strides,
    );
    if (gap > 0) expect(result.narrow(2, 0, gap).abs().max().item(), 'rows of no sequence').toBe(0);
    return pieces.map(({ count }, index) => result.narrow(2, starts[index] ?? 0, count));
  }

  /** A sequence from its first token to its last, in calls of `sizes` tokens, the last size repeated. */
  attendInChunks(sequence: number, sizes: readonly number[]): Tensor {
    const results: Tensor[] = [];
    const { length } = this.#sequence(sequence);
    for (let from = 0, call = 0; from < length; call++) {
      const count = Math.min(length - from, sizes[Math.min(call, sizes.length - 1)] ?? 1);
      results.push(...this.attend([{ sequence, from, count }]));
      from += count;
    }
    return cat(results, 2);
  }

  /** What the results of a whole sequence should be: float64 [1, H, S, E]. */
  expected(index: number): Tensor {
    const { k, v, q, length, masked, keyTable } = this.#sequence(index);
    const { window, isInt8 } = this.layout;
    let keys = isInt8 ? quantised(k) : k;
    if (this.keyTables !== undefined) {
      const [cos, sin] = this.keyTables.map((table) => table.select(0, keyTable).narrow(0, 0, length));
      if (cos === undefined || sin === undefined) throw new Error('two tables');
      keys = applyRotary(keys.to(k.dtype), { cos, sin });
    }
    const i = arange(0, length).unsqueeze(1);
    const j = arange(0, length).unsqueeze(0);
    const attended = intTensor(Array.from({ length }, (_, position) => (masked.includes(position) ? 0 : 1)));
    let visible = j.lt(i).logicalAnd(attended.unsqueeze(0).gt(zeros([1])));
    if (window > 0) visible = visible.logicalAnd(j.gt(i.sub(window)));
    visible = visible.logicalOr(j.le(i).logicalAnd(j.ge(i)));
    const wide = (x: Tensor): Tensor => x.to('float64');
    const { group = 1 } = this.layout;
    return scaledDotProductAttention(
      wide(q),
      repeated(wide(keys), group),
      repeated(wide(isInt8 ? quantised(v) : v), group),
      visible,
    );
  }

  #sequence(index: number): Sequence {
    const sequence = this.sequences[index];
    if (sequence === undefined) throw new Error(`sequence ${index}`);
    return sequence;
  }
}

/** A copy for each query head, in order. */
function repeated(x: Tensor, group: number): Tensor {
  const [kvHeads, tokens, headDim] = [x.size(1), x.size(2), x.size(3)];
  return x
    .unsqueeze(2)
    .expand([1, kvHeads, group, tokens, headDim])
    .reshape([1, kvHeads * group, tokens, headDim]);
}

/** Through int8 and back, float64: one scale for each token and head. */
function quantised(x: Tensor): Tensor {
  const wide = x.to('float32');
  const scale = largest(wide.abs(), [-1], true).div(127);
  return round(wide.div(scale)).to('float64').mul(scale.to('float64'));
}

function shuffled(count: number, seed: number): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  let state = seed;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  return order;
}

function difference(actual: Tensor, expected: Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  if (expected.numElements === 0) return 0;
  return actual.to('float64').sub(expected).abs().max().item() / Math.max(1e-6, expected.abs().max().item());
}

const bits: Record<TestedDType, DType> = {
  float64: 'int64',
  float32: 'int32',
  bfloat16: 'int16',
  float16: 'int16',
};

function expectSameBits(actual: Tensor, expected: Tensor, dtype: TestedDType, message: string): void {
  const asBits = (x: Tensor): Tensor => viewAs(x.contiguous(), bits[dtype]);
  expect(actual.shape).toEqual(expected.shape);
  expect(isSame(asBits(actual), asBits(expected)), message).toBe(true);
}

const threads = getThreads();
afterEach(() => setThreads(threads));

/** Some sequences, each cut in two calls; the second call takes all of them together. */
const batches = fc.record({
  layout: fc.record({
    dtype: fc.constantFrom(...dtypes),
    isInt8: fc.boolean(),
    kvHeads: fc.integer({ min: 1, max: 3 }),
    group: fc.constantFrom(1, 1, 2, 3, 4, 8),
    headDim: fc.constantFrom(2, 8, 16, 22, 64, 128, 160),
    window: fc.constantFrom(0, 0, 1, 5, 40),
    tables: fc.constantFrom(0, 0, 2),
  }),
  sequences: fc.array(
    fc.record({
      before: fc.integer({ min: 0, max: 150 }),
      rows: fc.integer({ min: 1, max: 45 }),
      masked: fc.oneof(
        fc.constant<number[]>([]),
        fc.array(fc.nat(40), { maxLength: 5 }),
        fc
          .integer({ min: 1, max: 70 })
          .map((count) => Array.from({ length: count }, (_, position) => position)),
      ),
      keyTable: fc.nat(1),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  gap: fc.nat(2),
  seed: fc.nat(1000),
});

it('is scaled_dot_product_attention over ragged batches, as is its composed form', () => {
  fc.assert(
    fc.property(batches, ({ layout: form, sequences: shapes, gap, seed }) =>
      scope(() => {
        const layout: Layout = { ...form, heads: form.kvHeads * form.group };
        const generator = new RandomGenerator(seed);
        const sequences = shapes.map(({ before, rows, masked, keyTable }) =>
          sequenceOf(
            layout,
            generator,
            before + rows,
            masked.filter((position) => position < before + rows),
            keyTable,
          ),
        );
        const pool = new Pool(layout, sequences, seed);
        const other = new Pool(layout, sequences, seed + 1);
        const pieces = (part: 'before' | 'rows'): Piece[] =>
          shapes.map(({ before, rows }, sequence) =>
            part === 'before'
              ? { sequence, from: 0, count: before }
              : { sequence, from: before, count: rows },
          );
        const results = (['before', 'rows'] as const).map((part) => pool.attend(pieces(part), { gap }));
        const others = (['before', 'rows'] as const).map((part) =>
          other.attend(pieces(part), { gap, operation: composed }),
        );
        for (const index of shapes.keys()) {
          const expected = pool.expected(index);
          const whole = (of: Tensor[][]): Tensor =>
            cat(
              of.map((part) => part[index] ?? zeros([0])),
              2,
            );
          // A rounded key may fall on either side where the products were fused with their sum or not.
          const tolerance =
            layout.tables > 0 && layout.dtype !== 'float64'
              ? 4 * tolerances[layout.dtype]
              : tolerances[layout.dtype];
          const int8 = layout.isInt8 ? 1e-6 : 0;
          expect(difference(whole(results), expected), 'kernel').toBeLessThanOrEqual(tolerance + int8);
          expect(difference(whole(others), expected), 'composed').toBeLessThanOrEqual(tolerance + int8);
        }
      }),
    ),
    { numRuns: isLongSuite ? 100 : 40, seed: 7 },
  );
});

const forms = [
  { headDim: 64, window: 0, tables: 0 },
  { headDim: 160, window: 37, tables: 0 },
  { headDim: 8, window: 0, tables: 1 },
  { heads: 8, group: 4, headDim: 64, window: 37, tables: 0 },
  { heads: 6, group: 6, headDim: 22, window: 0, tables: 1 },
  // More heads than one tile takes.
  { heads: 35, group: 35, headDim: 8, window: 0, tables: 0 },
];

describe.each(dtypes)('%s', (dtype) => {
  describe.each([false, true])('int8 pages: %s', (isInt8) => {
    it.each(casesOf<Partial<Layout>>(forms, (_, index) => dtype === 'float32' || index === 1 || index === 4))(
      'gives a row the same bits whatever runs with it: %o',
      (form) =>
        scope(() => {
          const layout: Layout = { ...plain, ...form, dtype, isInt8 };
          const generator = new RandomGenerator(3);
          const masked = [0, 1, 2, 40, 90];
          const lengths = [150, 61, 17];
          const sequences = lengths.map((length) =>
            sequenceOf(
              layout,
              generator,
              length,
              masked.filter((position) => position < length),
            ),
          );
          setThreads(1);
          const alone = lengths.map((length, sequence) => {
            const [result] = new Pool(layout, sequences).attend([{ sequence, from: 0, count: length }]);
            return result ?? zeros([0]);
          });
          const first = alone[0] ?? zeros([0]);
          for (const threadCount of layout.group === undefined ? [1, 2] : [1, 8]) {
            setThreads(threadCount);
            for (const sizes of [[1], [2], [3], [5], [7, 1, 8], [16], [33, 1, 4], [64], [149, 1]])
              expectSameBits(
                new Pool(layout, sequences, 5).attendInChunks(0, sizes),
                first,
                dtype,
                `in chunks of ${sizes.join()} on ${threadCount}`,
              );
            const pool = new Pool(layout, sequences, 9);
            const cuts = [0, 11, 17, 60, 61, 150];
            const parts: Tensor[][] = lengths.map(() => []);
            for (const [index, end] of cuts.slice(1).entries()) {
              const from = cuts[index] ?? 0;
              const pieces = lengths
                .map((length, sequence) => ({ sequence, from, count: Math.min(end, length) - from }))
                .filter(({ count }) => count > 0)
                .reverse();
              for (const [place, result] of pool.attend(pieces, { gap: 1 }).entries())
                parts[pieces[place]?.sequence ?? 0]?.push(result);
            }
            for (const [sequence, expected] of alone.entries())
              expectSameBits(cat(parts[sequence] ?? [], 2), expected, dtype, `among others, ${sequence}`);
          }
        }),
    );
  });
});

describe('int8 pages', () => {
  it('hold whole numbers rounded half to even, and one scale for each token and head', () =>
    scope(() => {
      const layout: Layout = { ...plain, isInt8: true, heads: 1, headDim: 8 };
      const row = (values: number[]): Tensor => intTensor(values, [1, 1, 1, 8]).to('float32');
      const k = row([127, 1, -3, 5, 0, -127, 64, 7]).mul(0.5); // the scale is 1/2
      const v = row([254, 1, 3, 5, -1, -3, -254, 0]); // the scale is 2
      const pool = new Pool(layout, [{ q: k, k, v, length: 1, masked: [], keyTable: 0 }]);
      pool.attend([{ sequence: 0, from: 0, count: 1 }]);
      const page = pool.tables[0]?.[0] ?? 0;
      const keys = pool.keyPages.select(0, page).narrow(2, 0, 1).reshape([8]).to('float32');
      const values = pool.valuePages.select(0, page).narrow(1, 0, 1).reshape([8]).to('float32');
      expect([...Array(8).keys()].map((e) => keys.narrow(0, e, 1).item())).toEqual([
        127, 1, -3, 5, 0, -127, 64, 7,
      ]);
      expect([...Array(8).keys()].map((e) => values.narrow(0, e, 1).item() + 0)).toEqual([
        127, 0, 2, 2, 0, -2, -127, 0,
      ]);
      expect(pool.scales?.map((scale) => scale.select(0, page).narrow(1, 0, 1).item())).toEqual([0.5, 2]);
    }));

  it('hold a token of zeros', () =>
    scope(() => {
      const layout: Layout = { ...plain, isInt8: true };
      const nothing = zeros([1, 2, 3, 64]);
      const pool = new Pool(layout, [
        { q: nothing, k: nothing, v: nothing, length: 3, masked: [], keyTable: 0 },
      ]);
      const [result] = pool.attend([{ sequence: 0, from: 0, count: 3 }]);
      expect(result?.abs().max().item()).toBe(0);
    }));
});

describe('blocks that dropped out of the window', () => {
  it.each([-1, 1_000_000])('are not looked at: page %i', (page) =>
    scope(() => {
      const layout: Layout = { ...plain, window: 20 };
      const sequences = [sequenceOf(layout, new RandomGenerator(4), 100)];
      const whole = new Pool(layout, sequences).attendInChunks(0, [100]);
      const pool = new Pool(layout, sequences);
      pool.attend([{ sequence: 0, from: 0, count: 99 }]);
      // The last row sees positions 80 to 99.
      for (let block = 0; block < 5; block++) (pool.tables[0] ?? [])[block] = page;
      const [last] = pool.attend([{ sequence: 0, from: 99, count: 1 }]);
      expectSameBits(last ?? zeros([0]), whole.narrow(2, 99, 1), 'float32', 'last row');
    }),
  );
});

it('what a query does not see may be anything', () =>
  scope(() => {
    const sequence = sequenceOf(plain, new RandomGenerator(6), 40, [7]);
    const clean = new Pool(plain, [sequence]).attendInChunks(0, [40]);
    for (const position of [7, 30]) {
      const spoil = (x: Tensor): Tensor => {
        const spoilt = x.contiguous();
        spoilt.narrow(2, position, 1).fill_(Number.NaN);
        return spoilt;
      };
      const spoilt = { ...sequence, k: spoil(sequence.k), v: spoil(sequence.v) };
      const result = new Pool(plain, [spoilt]).attendInChunks(0, [40]);
      expectSameBits(result.narrow(2, 0, position), clean.narrow(2, 0, position), 'float32', 'before it');
      if (position === 7)
        expectSameBits(result.narrow(2, 8, 32), clean.narrow(2, 8, 32), 'float32', 'after a masked token');
    }
  }));

it('takes no sequences and no rows', () =>
  scope(() => {
    const pool = new Pool(plain, [sequenceOf(plain, new RandomGenerator(1), 4)]);
    expect(pool.attend([{ sequence: 0, from: 0, count: 0 }])[0]?.shape).toEqual([1, 2, 0, 64]);
  }));

describe('refuses', () => {
  /** One sequence of 20 tokens, and what a test changes about the call. */
  function call(
    change: Partial<
      Record<'tables' | 'sequences' | 'q' | 'k' | 'keyPages' | 'scales' | 'attended' | 'cos', Tensor>
    >,
  ) {
    return scope(() => {
      const { q, k, v } = sequenceOf(plain, new RandomGenerator(1), 20);
      const pages = (shape: number[]): Tensor => zeros(shape);
      for (const operation of [kernel, composed])
        operation(
          change.q ?? q,
          change.k ?? k,
          v,
          change.keyPages ?? pages([3, 2, 64, PAGE]),
          pages([3, 2, PAGE, 64]),
          change.scales,
          change.scales,
          change.attended ?? zeros([3, PAGE], { dtype: 'uint8' }),
          change.tables ?? intTensor([0, 2], [1, 2], { dtype: 'int32' }),
          change.sequences ?? intTensor([0, 20, 0, 0], [1, 4], { dtype: 'int32' }),
          0,
          change.cos,
          change.cos,
        );
    });
  }
  const int32 = (values: number[], shape: number[]): Tensor => intTensor(values, shape, { dtype: 'int32' });

  it('nothing about a right call', () => call({}));

  it.each([
    [
      'a page beyond the pool',
      () => ({ tables: int32([0, 3], [1, 2]) }),
      /block 1 of sequence 0 lies in page 3; there are 3/,
    ],
    [
      'no page for a new token',
      () => ({ tables: int32([0, -1], [1, 2]) }),
      /block 1 of sequence 0 lies in page -1/,
    ],
    [
      'a table too short',
      () => ({ tables: int32([0], [1, 1]) }),
      /positions 0 to 19; its table of 1 blocks has room for 16/,
    ],
    [
      'rows beyond the last',
      () => ({ sequences: int32([1, 20, 0, 0], [1, 4]) }),
      /rows 1 to 20; there are 20/,
    ],
    ['a negative position', () => ({ sequences: int32([0, 1, -1, 0], [1, 4]) }), /positions -1 to -1/],
    [
      'a row of two sequences',
      () => ({ sequences: int32([0, 2, 0, 0, 1, 2, 0, 0], [2, 4]), tables: int32([0, 1, 2, 1], [2, 2]) }),
      /row 1 of sequence 1 belongs to another one too/,
    ],
    [
      'keys of another shape',
      () => ({ k: zeros([1, 2, 19, 64]) }),
      /k has shape \[1, 2, 19, 64\]; expected \[1, 2, 20, 64\]/,
    ],
    [
      'keys of another dtype',
      () => ({ k: zeros([1, 2, 20, 64], { dtype: 'float64' }) }),
      /k is Double; expected Float/,
    ],
    [
      'heads that do not share evenly',
      () => ({ q: zeros([1, 3, 20, 64]) }),
      /q has 3 heads and key_pages have 2; the heads of q must be a multiple/,
    ],
    [
      'fewer heads than keys have',
      () => ({ q: zeros([1, 1, 20, 64]) }),
      /q has 1 heads and key_pages have 2; the heads of q must be a multiple/,
    ],
    [
      'keys with a copy for each query head',
      () => ({ q: zeros([1, 4, 20, 64]), k: zeros([1, 4, 20, 64]) }),
      /k has shape \[1, 4, 20, 64\]; expected \[1, 2, 20, 64\]/,
    ],
    ['pages of another shape', () => ({ keyPages: zeros([3, 2, PAGE, 64]) }), /key_pages has shape/],
    [
      'pages of another dtype',
      () => ({ keyPages: zeros([3, 2, 64, PAGE], { dtype: 'float16' }) }),
      /key_pages is Half; expected Float/,
    ],
    ['scales without int8', () => ({ scales: zeros([3, 2, PAGE]) }), /take no key_scales/],
    ['a wrong attention mask', () => ({ attended: zeros([3, PAGE]) }), /attended is Float; expected Byte/],
    [
      'a key table that is too short',
      () => ({ cos: zeros([1, 19, 64]) }),
      /has position 19; the key tables have 19/,
    ],
    [
      'a key table that is not there',
      () => ({ cos: zeros([1, 20, 64]), sequences: int32([0, 20, 0, 1], [1, 4]) }),
      /has key table 1; there are 1/,
    ],
  ])('%s', (_, change, message) => scope(() => expect(() => call(change())).toThrow(message)));
});
