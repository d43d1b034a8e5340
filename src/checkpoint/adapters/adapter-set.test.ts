import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  goldenFolder,
  goldenModels,
  goldenTensors,
  maxAbsDifference,
} from '../../../tests/support/golden.js';
import { applyLora, initializeLora, type LoraOptions } from '../../lora/index.js';
import { type LoadedModel, loadModel } from '../../models/index.js';
import {
  type FloatDType,
  intTensor,
  liveTensorCount,
  noGrad,
  RandomGenerator,
  scope,
  type Tensor,
} from '../../tensor/index.js';
import { AdapterSet } from './adapter-set.js';
import { loadAdapter } from './load-adapter.js';
import { saveAdapter } from './save-adapter.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-adapters-'));
afterAll(() => rmSync(folder, { recursive: true }));
const peftFolder = `${goldenFolder}xverse/peft_adapter`;

const random = new RandomGenerator(29);

/** Writes an adapter for the model that changes something. */
function makeAdapter(model: string, targets: RegExp, options: LoraOptions): string {
  const target = mkdtempSync(join(folder, 'adapter-'));
  const loaded = loadModel(`${goldenFolder}${model}`);
  scope(() => {
    for (const layer of applyLora(loaded.model, (path) => targets.test(path), options).values()) {
      initializeLora(layer, random);
      noGrad(() => {
        layer.loraB.add_(0.02);
        layer.loraMagnitude?.mul_(1.1);
      });
    }
  });
  saveAdapter(loaded.model, loaded.architecture.names, target);
  loaded.model.dispose();
  return target;
}

const ids = intTensor(
  Array.from({ length: 9 }, (_, index) => (index * 37) % 90),
  [1, 9],
);

function logitsOf({ model }: LoadedModel): Tensor {
  return noGrad(() => scope(() => model.forward(ids).clone()));
}

function only<Item>(count: number, item: Item): Item[] {
  return new Array<Item>(count).fill(item);
}

const attention = /layers\.\d+\.(attention|selfAttention)\./;
const all = /layers\.\d+\./;
const wanted: readonly (readonly [string, RegExp, LoraOptions])[] = [
  ['small', all, { rank: 2, alpha: 8 }],
  ['last', /layers\.1\./, { rank: 7, alpha: 4, rankStabilized: true }],
  ['dora', all, { rank: 3, alpha: 12, dora: true }],
];

describe.each(
  goldenModels.flatMap((model) => (['float32', 'bfloat16'] as const).map((dtype) => ({ model, dtype }))),
)('$model, $dtype', ({ model, dtype }) => {
  const open = (): LoadedModel => loadModel(`${goldenFolder}${model}`, { dtype });

  test('each adapter gives the bits that it gives alone, and leaves those of the model', () => {
    const served = open();
    const plain = logitsOf(served);
    const adapters = new AdapterSet(served.model, served.architecture.names);
    const paths = new Map(wanted.map(([name, ...rest]) => [name, makeAdapter(model, ...rest)]));
    for (const [name, path] of paths) adapters.load(name, path);
    expect(adapters.names).toEqual(wanted.map(([name]) => name));
    expect(logitsOf(served).equals(plain)).toBe(true);
    for (const [name, path] of paths) {
      const alone = open();
      loadAdapter(alone.model, alone.architecture.names, path);
      adapters.useRows(only(9, name));
      const logits = logitsOf(served);
      expect(logits.equals(logitsOf(alone)), name).toBe(true);
      expect(maxAbsDifference(logits, plain), name).toBeGreaterThan(0.01);
      alone.model.dispose();
    }
    adapters.useRows(only(9, undefined));
    expect(logitsOf(served).equals(plain)).toBe(true);
    adapters.dispose();
    served.model.dispose();
  });
});

test("PEFT's adapter: its logits", () => {
  const stored = goldenTensors('xverse/peft_expected.safetensors');
  const { model, architecture } = loadModel(`${goldenFolder}xverse`);
  const adapters = new AdapterSet(model, architecture.names);
  adapters.load('peft', peftFolder);
  const inputIds = stored('input_ids').to('int64');
  adapters.useRows(only(inputIds.numElements, 'peft'));
  const logits = noGrad(() => model.forward(inputIds));
  // The bound of adapter.test.ts: float32 in another order of sums.
  expect(maxAbsDifference(logits, stored('logits_adapter'))).toBeLessThan(4e-5);
});

test('unloading frees all that loading took, and the plain layers come back', () => {
  const { model, architecture } = loadModel(`${goldenFolder}xverse`);
  const modules = (): unknown[] => [...model.namedModules()].map(([, module]) => module);
  const plain = modules();
  const path = makeAdapter('xverse', all, { rank: 3, alpha: 12, dora: true });
  const adapters = new AdapterSet(model, architecture.names);
  const before = liveTensorCount();
  for (let round = 0; round < 3; round++) {
    adapters.load('a', path);
    const one = liveTensorCount() - before;
    expect(one).toBeGreaterThan(0);
    adapters.load('b', peftFolder);
    const both = liveTensorCount() - before;
    adapters.useRows(['a', 'b', undefined, 'a']);
    scope(() => void model.forward(ids.narrow(1, 0, 4)));
    adapters.unload('b');
    expect(liveTensorCount() - before).toBe(one);
    adapters.load('b', peftFolder);
    expect(liveTensorCount() - before).toBe(both);
    adapters.useRows(['b', 'a', 'b']);
    adapters.dispose();
    expect(liveTensorCount()).toBe(before);
    expect(modules()).toEqual(plain);
  }
  model.dispose();
});

describe('a faulty adapter leaves everything as it was', () => {
  const { model, architecture } = loadModel(`${goldenFolder}xverse`);
  const adapters = new AdapterSet(model, architecture.names);
  const good = makeAdapter('xverse', attention, { rank: 2, alpha: 8 });
  adapters.load('good', good);

  function changed(values: object): string {
    const target = mkdtempSync(join(folder, 'broken-'));
    cpSync(peftFolder, target, { recursive: true });
    const path = join(target, 'adapter_config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...values }));
    return target;
  }

  /** A file whose last bytes are missing. */
  function cut(): string {
    const target = changed({});
    const path = join(target, 'adapter_model.safetensors');
    writeFileSync(path, readFileSync(path).subarray(0, -100));
    return target;
  }

  test.each<[string, () => void, RegExp]>([
    ['another rank', () => adapters.load('x', changed({ r: 8 })), /lora_[AB]\.weight" has shape .*rank 8/],
    ['DoRA without magnitudes', () => adapters.load('x', changed({ use_dora: true })), /has no magnitude/],
    ['a cut file', () => adapters.load('x', cut()), /adapter_model\.safetensors/],
    [
      'a method of its own',
      () => adapters.load('x', changed({ layer_replication: [[0, 2]] })),
      /not supported/,
    ],
    ['no folder', () => adapters.load('x', join(folder, 'nowhere')), /nowhere: no such adapter/],
    ['a name that is taken', () => adapters.load('good', good), /named "good" is loaded; unload it first/],
    ['an unknown name', () => adapters.unload('bad'), /no adapter named "bad"; loaded are "good"/],
    ['unknown rows', () => adapters.useRows(['good', 'bad']), /no adapter named "bad"/],
    [
      'an adapter of another family',
      () => adapters.load('x', makeAdapter('telechat-52b', all, { rank: 2, alpha: 8 })),
      /belongs to no layer of this model/,
    ],
  ])('%s', (_, act, message) => {
    adapters.useRows(only(9, 'good'));
    const logits = logitsOf({ model, architecture });
    const before = liveTensorCount();
    expect(act).toThrow(message);
    expect(act).toThrow(expect.objectContaining({ name: 'InputError' }));
    expect(liveTensorCount()).toBe(before);
    expect(adapters.names).toEqual(['good']);
    adapters.useRows(only(9, 'good'));
    expect(logitsOf({ model, architecture }).equals(logits)).toBe(true);
  });

  test('a model that carries an adapter already', () => {
    const other = loadModel(`${goldenFolder}xverse`);
    loadAdapter(other.model, other.architecture.names, peftFolder);
    expect(() => new AdapterSet(other.model, other.architecture.names)).toThrow(/already carries an adapter/);
  });
});

const dtypes: readonly FloatDType[] = ['float32', 'bfloat16', 'float64'];
test.each(dtypes)('an adapter is kept in the dtype that the model computes in: %s', (dtype) => {
  const { model, architecture } = loadModel(`${goldenFolder}xverse`, { dtype });
  const adapters = new AdapterSet(model, architecture.names);
  adapters.load('peft', peftFolder);
  adapters.useRows(only(9, 'peft'));
  expect(noGrad(() => model.forward(ids)).dtype).toBe(dtype);
  adapters.dispose();
});
