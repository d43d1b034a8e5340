/** Adapters in the engine: a request gets what the model with its adapter alone would say, whatever runs beside it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { AdapterSet, loadAdapter, saveAdapter } from '../src/checkpoint/index.js';
import { Engine, type EngineOptions, type GenerationRequest } from '../src/generation/index.js';
import { applyLora, initializeLora, type LoraOptions } from '../src/lora/index.js';
import { type CausalLm, type LoadedModel, loadModel } from '../src/models/index.js';
import {
  type FloatDType,
  liveTensorCount,
  noGrad,
  RandomGenerator,
  scope,
  setInvariantLinear,
} from '../src/tensor/index.js';
import { goldenFolder, goldenModels } from './support/golden.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-engine-adapters-'));
afterAll(() => rmSync(folder, { recursive: true }));

// As a serving process does: what a row is given does not depend on the others.
setInvariantLinear(true);

const random = new RandomGenerator(31);

/** Writes an adapter that changes what the model says. */
function makeAdapter(model: string, layers: RegExp, options: LoraOptions): string {
  const target = mkdtempSync(join(folder, 'adapter-'));
  const loaded = loadModel(`${goldenFolder}${model}`);
  scope(() => {
    for (const layer of applyLora(loaded.model, (path) => layers.test(path), options).values()) {
      initializeLora(layer, random);
      noGrad(() => layer.loraB.add_(0.03));
    }
  });
  saveAdapter(loaded.model, loaded.architecture.names, target);
  loaded.model.dispose();
  return target;
}

function requestOf(seed: number, adapter: string | undefined): GenerationRequest {
  return {
    promptIds: Array.from(
      { length: 6 + (seed % 23) },
      (_, index) => 3 + (((index + 1) * 7919 + seed * 31) % 57),
    ),
    maxNewTokens: 12,
    sampling: { temperature: 1, seed },
    logProbs: 0,
    adapter,
  };
}

/** Ids and the exact log-probabilities of the answers. */
function answers(model: CausalLm, requests: readonly GenerationRequest[], options: EngineOptions) {
  const engine = new Engine(model, options);
  for (const [index, request] of requests.entries()) engine.submit(String(index), request);
  const found = requests.map((): [id: number, logProb: number | undefined][] => []);
  while (engine.hasWork)
    for (const { id, ids, logProbs } of engine.step())
      found[Number(id)]?.push(
        ...ids.map((each, place): [number, number | undefined] => [each, logProbs?.[place]?.chosen.logProb]),
      );
  engine.dispose();
  return found;
}

const kinds: readonly (readonly [string, RegExp, LoraOptions])[] = [
  ['wide', /layers\.\d+\./, { rank: 2, alpha: 8 }],
  ['late', /layers\.1\./, { rank: 7, alpha: 4, rankStabilized: true }],
  ['dora', /layers\.\d+\./, { rank: 3, alpha: 12, dora: true }],
];

const cases = goldenModels.flatMap((name) =>
  (['float32', 'bfloat16'] as const).map((dtype): { name: string; dtype: FloatDType } => ({ name, dtype })),
);

describe.each(cases)('$name, $dtype', ({ name, dtype }) => {
  const open = (): LoadedModel => loadModel(`${goldenFolder}${name}`, { dtype });

  test('twelve requests of three adapters and none, together: each as it is alone', () => {
    const paths = kinds.map(([adapter, ...rest]) => [adapter, makeAdapter(name, ...rest)] as const);
    const requests = Array.from({ length: 12 }, (_, index) =>
      requestOf(index, [...kinds.map(([adapter]) => adapter), undefined][(index * 7) % 4]),
    );
    const served = open();
    const adapters = new AdapterSet(served.model, served.architecture.names);
    for (const [adapter, path] of paths) adapters.load(adapter, path);
    const together = answers(served.model, requests, { adapters, maxBatchTokens: 48 });
    const plain = open();
    for (const adapter of [undefined, ...paths]) {
      const { model, architecture } = adapter === undefined ? plain : open();
      if (adapter !== undefined) loadAdapter(model, architecture.names, adapter[1]);
      for (const [index, request] of requests.entries()) {
        if (request.adapter !== adapter?.[0]) continue;
        const bare = { ...request, adapter: undefined };
        expect(together[index], `request ${index}`).toEqual(answers(model, [bare], {})[0]);
        if (adapter !== undefined) expect(together[index]).not.toEqual(answers(plain.model, [bare], {})[0]);
      }
      if (adapter !== undefined) model.dispose();
    }
    adapters.dispose();
    plain.model.dispose();
    served.model.dispose();
  });
});

test('an adapter that comes back under its name is not served from the prefixes of the old one', () => {
  const { model, architecture } = loadModel(`${goldenFolder}xverse`);
  const adapters = new AdapterSet(model, architecture.names);
  const engine = new Engine(model, { adapters });
  const [first, second] = [1, 2].map(() => makeAdapter('xverse', /layers/, { rank: 4, alpha: 16 }));
  const say = (adapter?: string): number[] => {
    const ids: number[] = [];
    engine.submit('x', {
      ...requestOf(22, adapter),
      promptIds: Array.from({ length: 40 }, (_, index) => 3 + index),
    });
    while (engine.hasWork) for (const event of engine.step()) ids.push(...event.ids);
    return ids;
  };
  const plain = say(); // Makes the tables of rotations too, which the engine keeps.
  const before = liveTensorCount();
  const said = [first, second, first].map((path) => {
    engine.loadAdapter('persona', path ?? '');
    const ids = [say('persona'), say('persona')];
    expect(ids[1]).toEqual(ids[0]);
    engine.unloadAdapter('persona');
    return ids[0];
  });
  expect(said[2]).toEqual(said[0]);
  expect(said[1]).not.toEqual(said[0]);
  expect(say()).toEqual(plain);
  expect(liveTensorCount()).toBe(before);
  engine.dispose();
  model.dispose();
});
