/** Which checkpoints are written, kept, removed and found. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openCheckpointFolder, RunCheckpointStore } from './run-checkpoint-store.js';
import type { Snapshot } from './snapshot.js';

let folder = '';
let said = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'checkpoints-'));
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    said += String(line);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

/** A checkpoint of one small tensor. */
function snapshotOf(step: number, bytes: Uint8Array | (() => Uint8Array) = new Uint8Array(4)): Snapshot {
  return {
    manifest: {
      format: 'xinghe-training-state',
      version: 1,
      step,
      totalSteps: 100,
      tokens: 1,
      rows: 1,
      data: { rows: 1, seed: 1, shuffle: true, rowsPerStep: 1 },
      optimizerSteps: step,
      lossScale: null,
      generator: '',
      best: null,
      evaluatedStep: null,
      engine: {
        xinghe: '0',
        libtorch: '0',
        threads: 1,
        linearRoute: { forward: false, gradInput: false, gradWeight: false },
        device: 'cpu',
      },
      config: {},
    },
    files: [
      {
        path: 'sub/w.safetensors',
        content: { kind: 'tensors', tensors: [{ name: 'w', dtype: 'uint8', shape: [4], bytes }] },
      },
      { path: 'config.json', content: { kind: 'bytes', bytes: Buffer.from('{}') } },
    ],
  };
}

/** Claims more bytes than any disk has. */
function hugeSnapshot(step: number): Snapshot {
  const { manifest } = snapshotOf(step);
  const bytes = (): Uint8Array => {
    throw new Error('must not be written');
  };
  const tensors = [{ name: 'w', dtype: 'uint8' as const, shape: [2 ** 52], bytes }];
  return { manifest, files: [{ path: 'w', content: { kind: 'tensors', tensors } }] };
}

const kept = (): number[] =>
  readdirSync(folder)
    .map((name) => Number(name.slice('step-'.length)))
    .sort((a, b) => a - b);

test('keeps the last ones, every multiple, and the best', async () => {
  const store = new RunCheckpointStore(folder, { keep_last: 2, keep_every: 10, async: false });
  for (const step of [4, 8, 10, 12, 16, 20, 24]) {
    if (step === 8) store.markBest(8);
    expect(await store.save(step, snapshotOf(step))).toBe(true);
  }
  expect(kept()).toEqual([8, 10, 20, 24]);
  store.markBest(24);
  await store.save(28, snapshotOf(28));
  await store.save(32, snapshotOf(32));
  expect(kept()).toEqual([10, 20, 24, 28, 32]);
});

test('keeps all of them by default', async () => {
  const store = new RunCheckpointStore(folder, { async: false });
  for (const step of [1, 2, 3]) await store.save(step, snapshotOf(step));
  expect(store.steps()).toEqual([1, 2, 3]);
});

test('behind the training: the bytes are those of the moment, and old ones are removed', async () => {
  const store = new RunCheckpointStore(folder, { keep_last: 1, async: true });
  await store.save(1, snapshotOf(1));
  const values = new Uint8Array(4).fill(7);
  const saved = store.save(
    2,
    snapshotOf(2, () => values.slice()),
  );
  await saved;
  values.fill(9);
  await store.wait();
  expect(kept()).toEqual([2]);
  const file = readFileSync(join(folder, 'step-2', 'sub', 'w.safetensors'));
  expect([...file.subarray(-4)]).toEqual([7, 7, 7, 7]);
});

describe('what cannot be written', () => {
  test('is a warning while the run goes on, and an error at its end', async () => {
    const store = new RunCheckpointStore(folder, { async: false });
    expect(await store.save(5, hugeSnapshot(5))).toBe(false);
    expect(said).toMatch(/the checkpoint of step 5 was not written: .*needs .* are free\. Training goes on/);
    await expect(store.save(6, hugeSnapshot(6), true)).rejects.toThrow(/a checkpoint needs/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('behind the training too', async () => {
    const store = new RunCheckpointStore(folder, { async: true });
    writeFileSync(join(folder, 'step-3'), 'a file in its place');
    expect(await store.save(3, snapshotOf(3))).toBe(true);
    await store.wait();
    expect(said).toMatch(/the checkpoint of step 3 was not written/);
    // The last act of a run waits, and says so itself.
    await expect(store.save(3, snapshotOf(3), true)).rejects.toThrow(/step-3/);
  });
});

describe('the newest', () => {
  test('is the highest number, not the longest name; what has no manifest is none', async () => {
    const store = new RunCheckpointStore(folder, { async: false });
    for (const step of [9, 10]) await store.save(step, snapshotOf(step));
    mkdirSync(join(folder, 'step-11'));
    mkdirSync(join(folder, 'step-x'));
    mkdirSync(join(folder, 'my-step-12'));
    expect(store.steps()).toEqual([9, 10]);
    expect(store.newest()).toMatchObject({ path: join(folder, 'step-10'), manifest: { step: 10 } });
  });

  test.each<[string, (path: string) => void]>([
    ['a changed file', (path) => writeFileSync(join(path, 'config.json'), '[]')],
    ['a missing file', (path) => rmSync(join(path, 'config.json'))],
    ['a damaged manifest', (path) => writeFileSync(join(path, 'training-state.json'), '{')],
  ])('passes over %s, and says so', async (_, damage) => {
    const store = new RunCheckpointStore(folder, { async: false });
    for (const step of [1, 2]) await store.save(step, snapshotOf(step));
    damage(store.pathOf(2));
    expect(() => openCheckpointFolder(store.pathOf(2))).toThrow();
    expect(store.newest().manifest.step).toBe(1);
    expect(said).toMatch(/warning: .*step-2.*; trying an older one/);
    damage(store.pathOf(1));
    expect(() => store.newest()).toThrow(/holds no whole checkpoint/);
  });

  test('of a folder that is not there is refused', () => {
    const store = new RunCheckpointStore(join(folder, 'none'), { async: false });
    expect(store.steps()).toEqual([]);
    expect(() => store.newest()).toThrow(/holds no whole checkpoint to resume from/);
  });
});
