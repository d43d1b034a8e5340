/** Models exported and run by onnxruntime, case by case against our own forward pass. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExportOnnxOptions, type ExportReport, exportOnnx } from '../../src/export/index.js';
import { type CausalLm, loadModel } from '../../src/models/index.js';
import { goldenFolder } from './golden.js';
import { logitsDifferenceOf, type OnnxOutcome, type OnnxText, runOnnx, runOurs } from './onnx-runs.js';
import { referencePython } from './reference.js';
import { requiresPython } from './requires.js';

/** A row of ids that differ, within every golden vocabulary. */
export const row = (length: number, seed: number): number[] =>
  Array.from({ length }, (_, index) => 3 + ((index * 7 + seed * 11) % 50));

/** Longer than the windows of the golden models, which are 8. */
export const padded: OnnxText = { ids: [row(14, 1), row(14, 2)], padding: [0, 5], newTokens: 6 };
export const short: OnnxText = { ids: [row(9, 3)], padding: [0], newTokens: 3 };
export const prompt = (length: number): OnnxText => ({ ids: [row(length, 4)], padding: [0], newTokens: 0 });

export interface ExportCase {
  readonly name: string;
  /** A golden folder, or the path of another model. */
  readonly model: string;
  readonly text: OnnxText;
  readonly options?: Omit<ExportOnnxOptions, 'model' | 'output'>;
  /** What our model has to become before it says the same. Default: it is as it is. */
  readonly ours?: (model: CausalLm) => void;
  /** Largest difference of logits. Default 1e-4. */
  readonly bound?: number;
}

export const configOf = (model: string, name: string): string => join(goldenFolder, model, name);

/** Every case exported, then all of them run by one process. */
export function describeExports(cases: readonly ExportCase[]): void {
  const python = referencePython('onnx');
  describe('exported graphs', requiresPython(python, 'onnx'), () => {
    const folder = mkdtempSync(join(tmpdir(), 'xinghe-export-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const reports: ExportReport[] = [];
    let outcomes: readonly OnnxOutcome[] = [];
    const sourceOf = (model: string): string => resolve(goldenFolder, model);

    beforeAll(async () => {
      if (python === undefined) return;
      for (const [index, { model, options }] of cases.entries())
        reports.push(
          await exportOnnx({ model: sourceOf(model), output: join(folder, `case-${index}`), ...options }),
        );
      const jobs = cases.map(({ text, options }, index) => {
        const { output = '', files = [] } = reports[index] ?? {};
        return { graph: join(output, files[0] ?? ''), asWritten: options?.dtype === 'int8', ...text };
      });
      outcomes = runOnnx(python, folder, jobs);
    }, 240_000);

    test.for(cases.map((exportCase, index) => ({ ...exportCase, index })))(
      '$name',
      ({ model, text, index, options, ours: prepare, bound = 1e-4 }) => {
        const theirs = outcomes[index];
        if (theirs === undefined) throw new Error('no outcome');
        const loaded = loadModel(sourceOf(model), { dtype: 'float32', configPath: options?.config });
        prepare?.(loaded.model);
        const ours = runOurs(loaded.model, text);
        loaded.model.dispose();
        expect(logitsDifferenceOf(ours, theirs, text)).toBeLessThanOrEqual(bound);
        expect(theirs.ids).toEqual(ours.ids);
        expect(theirs.idsWithoutPast).toEqual(ours.ids);
      },
    );
  });
}
