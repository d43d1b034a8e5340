/** Each link of a conversion alone, over views of numbers in a file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import { readView, type TensorView, viewOf } from '../../formats/index.js';
import { renameAdapter } from '../adapters/spell-adapter.js';
import { nameScheme } from '../name-scheme.js';
import { NameTable } from '../name-table.js';
import { ShardingTable } from '../sharding-table.js';
import { castHalves, castTensors } from './cast-tensors.js';
import { namedViews, plannedTensors, totalBytes } from './chain-tensor.js';
import { mergeAdapter } from './merge-adapter.js';
import { renameState, renameTensors } from './rename-tensors.js';
import { shardFiles } from './shard-files.js';
import { shardTensors } from './shard-tensors.js';
import { verifyFiles } from './verify-files.js';
import { writeFiles } from './write-files.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-chain-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;

/** float32, counting from 0. */
function counted(name: string, ...shape: number[]): TensorView {
  const path = join(folder, `${name}-${files++}`);
  const count = shape.reduce((product, size) => product * size, 1);
  writeFileSync(
    path,
    Float32Array.from({ length: count }, (_, index) => index),
  );
  return viewOf({ name, dtype: 'float32', shape, ranges: [{ path, start: 0, end: 4 * count }] });
}

function numbers(view: TensorView | undefined): number[] {
  if (view === undefined) throw new TypeError('no such tensor');
  const bytes = Buffer.concat([...readView(view)]);
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
}

const scheme = nameScheme(new NameTable([['norm.gamma', 'norm.weight']]), [
  { name: 'qk.weight', parts: ['q.weight', 'k.weight'], order: 'stacked' },
]);
const fresh = { names: new Map<string, string>(), factors: new Map<string, number>() };
const layout = {
  dataParallel: 1,
  modelParallel: 2,
  pipelineStages: 1,
  optimizerShard: false,
  shardThreshold: 0,
};
const update = { a: counted('a', 1, 2), b: counted('b', 4, 1), scale: 2 };
const changes = (layer: string) => ({
  updates: new Map([[layer, update]]),
  whole: new Map(),
  rows: new Map(),
});
const weights = (): Map<string, TensorView> =>
  new Map([
    ['q.weight', counted('q', 4, 2)],
    ['k.weight', counted('k', 4, 2)],
    ['norm.weight', counted('n', 2)],
  ]);

test('merge: the update stands beside the weight of its layer and no other', () => {
  const merged = mergeAdapter(namedViews(weights()), changes('q'), 'out-in');
  expect(merged.get('q.weight')?.update).toEqual({ ...update, layout: 'out-in' });
  expect(merged.get('k.weight')?.update).toBeUndefined();
});

describe('cut', () => {
  const sharding = new ShardingTable([['q.weight', { dim: 0 }]]);
  const tables = { names: new NameTable([]), sharding };
  const merged = () => mergeAdapter(namedViews(weights()), changes('q'), 'out-in');

  test('weights and updates by the table, all else whole', () => {
    const cut = shardTensors(merged(), tables, layout, 1);
    expect(numbers(cut.get('q.weight')?.view)).toEqual([4, 5, 6, 7]);
    expect(numbers(cut.get('q.weight')?.update?.b)).toEqual([2, 3]);
    expect(numbers(cut.get('q.weight')?.update?.a)).toEqual([0, 1]);
    expect(cut.get('k.weight')?.view.shape).toEqual([4, 2]);
  });

  test('an update and a sharded optimiser do not go together', () => {
    const sharded = { ...layout, optimizerShard: true };
    expect(() => shardTensors(merged(), tables, sharded, 0)).toThrow(InputError);
    expect(shardTensors(namedViews(weights()), tables, sharded, 0).size).toBe(3);
  });
});

describe('spell', () => {
  test('names, fused tensors, and what they are made of', () => {
    const spelled = renameTensors(namedViews(weights()), scheme, fresh);
    expect([...spelled.keys()]).toEqual(['qk.weight', 'norm.gamma']);
    expect(spelled.get('qk.weight')?.paths).toEqual(['q.weight', 'k.weight']);
    expect(numbers(spelled.get('qk.weight')?.view)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test("the source's name stays, its factor is taken out", () => {
    const source = { names: new Map([['norm.weight', 'ln']]), factors: new Map([['norm.weight', 4]]) };
    const spelled = renameTensors(namedViews(weights()), scheme, source);
    expect(spelled.get('ln')?.factor).toBe(0.25);
    expect(spelled.get('qk.weight')?.factor).toBeUndefined();
  });

  test('an update of a part of a fused tensor is refused', () => {
    const merged = mergeAdapter(namedViews(weights()), changes('k'), 'out-in');
    expect(() => renameTensors(merged, scheme, fresh)).toThrow(/into which an adapter cannot be merged/);
  });

  test('states and halves of adapters under the names of their weights', () => {
    const state = new Map([
      ['norm.weight', counted('m', 2)],
      ['norm.loraA', counted('ma', 1, 2)],
    ]);
    expect([...renameState(state, scheme, fresh).keys()]).toEqual([
      'norm.gamma',
      'norm.gamma.mindpet_delta_lora_A',
    ]);
    const halves = namedViews(new Map([['norm.loraA', counted('a', 1, 2)]]));
    const telechat = renameAdapter(halves, scheme, new Map(), 'telechat');
    expect(telechat.get('norm.gamma.lora_right_weight')?.view.shape).toEqual([2, 1]);
  });
});

test('cast: the dtype asked for, but for what the family or the spelling keeps wide', () => {
  const tensors = namedViews(weights());
  const dtypes = (...[rules, tables, wide]: [object, object, boolean]) =>
    [
      ...castTensors(tensors, { dtype: 'bfloat16', ...rules }, tables, {
        ...scheme,
        float32Vectors: wide,
      }).values(),
    ].map(({ dtype }) => dtype);
  const keepsFloat32 = (own: string) => (own.startsWith('norm') ? ('norm' as const) : undefined);
  expect(dtypes({}, {}, false)).toEqual(['bfloat16', 'bfloat16', 'bfloat16']);
  expect(dtypes({}, { keepsFloat32 }, false)).toEqual(['bfloat16', 'bfloat16', 'float32']);
  expect(dtypes({ castNorm: true }, { keepsFloat32 }, false)).toEqual(['bfloat16', 'bfloat16', 'bfloat16']);
  expect(dtypes({ castNorm: true }, { keepsFloat32 }, true)).toEqual(['bfloat16', 'bfloat16', 'float32']);
  expect([...castHalves(tensors, 'float16').values()].map(({ dtype }) => dtype)).toEqual(
    Array(3).fill('float16'),
  );
});

describe('files, written and proven', () => {
  const planned = () => plannedTensors(castTensors(namedViews(weights()), { dtype: 'float64' }, {}, scheme));
  const open = (path: string) => {
    const shapes = new Map([...weights()].map(([name, { shape }]) => [name, shape]));
    let start = 0;
    return new Map(
      [...shapes].map(([name, shape]) => {
        const end = start + 8 * shape.reduce((product, size) => product * size, 1);
        const view = viewOf({ name, dtype: 'float64', shape, ranges: [{ path, start, end }] });
        start = end;
        return [name, view];
      }),
    );
  };
  const write = (into: string) => {
    const plan = shardFiles(planned(), {}, () => into);
    return {
      plan,
      sums: writeFiles(
        folder,
        plan,
        (path, tensors) =>
          writeFileSync(path, Buffer.concat(tensors.flatMap(({ bytes }) => [...pieces(bytes)]))),
        () => {},
      ),
    };
  };

  test('shards hold no more than was asked for, all tensors in order', () => {
    const shards = shardFiles(planned(), { maxShardBytes: 64 }, (index, count) => `${index}/${count}`);
    expect(shards.map(({ path, tensors }) => [path, tensors.map(({ name }) => name)])).toEqual([
      ['0/3', ['q.weight']],
      ['1/3', ['k.weight']],
      ['2/3', ['norm.weight']],
    ]);
    expect(totalBytes(shards)).toBe(144);
  });

  test('a byte that differs is found', () => {
    const { plan, sums } = write('whole');
    verifyFiles(folder, plan, sums, open, () => {});
    const bytes = Buffer.concat([...readView(viewOf(wholeFile(join(folder, 'whole'))))]);
    bytes[70] = 1;
    writeFileSync(join(folder, 'whole'), bytes);
    expect(() => verifyFiles(folder, plan, sums, open, () => {})).toThrow('other bytes in k.weight');
  });
});

function wholeFile(path: string) {
  return { name: path, dtype: 'uint8' as const, shape: [144], ranges: [{ path, start: 0, end: 144 }] };
}

function pieces(bytes: Uint8Array | (() => Uint8Array | Iterable<Uint8Array>)): Uint8Array[] {
  const content = typeof bytes === 'function' ? bytes() : bytes;
  return content instanceof Uint8Array ? [content] : [...content].map((piece) => Uint8Array.from(piece));
}
