/** Exported graphs of every family in onnxruntime, against our own forward pass. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExportReport, exportOnnx } from '../src/export/index.js';
import { loadModel } from '../src/models/index.js';
import { goldenFolder, goldenModels } from './support/golden.js';
import {
  logitsDifferenceOf,
  type OnnxOutcome,
  type OnnxText,
  runOnnx,
  runOurs,
} from './support/onnx-runs.js';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const python = referencePython('onnx');

interface ExportCase {
  readonly model: string;
  readonly text: OnnxText;
}

/** A row of ids that differ, within every golden vocabulary. */
const row = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, index) => 3 + ((index * 7 + seed * 11) % 50));

const cases: readonly ExportCase[] = goldenModels.map((model) => ({
  model,
  text: { ids: [row(14, 1), row(14, 2)], padding: [0, 5], newTokens: 6 },
}));

describe('exported graphs', requiresPython(python, 'onnx'), () => {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const reports = new Map<string, ExportReport>();
  let outcomes: readonly OnnxOutcome[] = [];

  beforeAll(async () => {
    if (python === undefined) return;
    for (const { model } of cases) {
      const output = join(folder, basename(model));
      reports.set(model, await exportOnnx({ model: goldenFolder + model, output }));
    }
    outcomes = runOnnx(
      python,
      folder,
      cases.map(({ model, text }) => ({ graph: join(folder, basename(model), 'onnx/model.onnx'), ...text })),
    );
  }, 120_000);

  test.for(cases.map(({ model, text }, index) => ({ model, text, index })))(
    '$model',
    ({ model, text, index }) => {
      const theirs = outcomes[index];
      if (theirs === undefined) throw new Error('no outcome');
      const loaded = loadModel(goldenFolder + model, { dtype: 'float32' });
      const ours = runOurs(loaded.model, text);
      loaded.model.dispose();
      expect(logitsDifferenceOf(ours, theirs, text)).toBeLessThanOrEqual(1e-4);
      expect(theirs.ids).toEqual(ours.ids);
      expect(theirs.idsWithoutPast).toEqual(ours.ids);
    },
  );
});
