import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xverseConfig } from '../../../tests/support/plan-configs.js';
import { requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { loadArchitecture, loadModel, saveModel } from '../../models/index.js';
import { scope } from '../../tensor/index.js';
import { type TrainConfig, trainConfigSchema } from './run-config.js';
import { addAdapters, createRunModel } from './run-model.js';

const cases = sharedData('../cases/spark') ?? '';
const folder = mkdtempSync(join(tmpdir(), 'run-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe(
  "MindSpore's weights beside a config of another place",
  requiresShared(sharedData('../cases/spark')),
  () => {
    test('the weights are loaded, not drawn', () => {
      cpSync(join(cases, 'plain.ckpt'), join(folder, 'plain.ckpt'));
      const config = trainConfigSchema.parse({
        output: 'out',
        model: { path: join(folder, 'plain.ckpt'), path_config: join(cases, 'model_config.yaml') },
        data: { dataset: 'rows' },
        training: { steps: 1, precision: 'float32' },
      });
      scope(() => {
        const values = ({ model }: ReturnType<typeof createRunModel>): number[][] =>
          model.namedParameters().map(([, parameter]) => [...parameter.toArray().slice(0, 8)].map(Number));
        const loaded = loadModel(join(cases, 'plain.ckpt'), {
          dtype: 'float32',
          architecture: loadArchitecture(join(cases, 'model_config.yaml')),
        });
        expect(values(createRunModel(config))).toEqual(values(loaded));
      });
    });
  },
);

describe('what a rank has of a model, drawn or read', () => {
  const saved = join(folder, 'saved');
  const config = xverseConfig({ layers: 3, hidden: 16, intermediate: 24, heads: 4, vocab: 39 });
  const runOf = (
    changes: Partial<Record<'model' | 'lora', object>> & { objective?: object } = {},
  ): TrainConfig =>
    trainConfigSchema.parse({
      output: 'out',
      seed: 3,
      model: changes.model ?? { config, tokenizer: 'tokenizer' },
      data:
        changes.objective === undefined
          ? { dataset: 'rows' }
          : { files: ['pairs.jsonl'], form: 'preference', sequence_length: 16 },
      training: {
        steps: 1,
        precision: 'float32',
        ...(changes.objective && { objective: changes.objective }),
      },
      ...(changes.lora && { lora: changes.lora }),
    });
  beforeAll(async () => {
    const loaded = createRunModel(runOf());
    await saveModel(saved, loaded);
    loaded.model.dispose();
  });
  const lora = { rank: 2, alpha: 4, target_modules: ['self_attn.q_proj', 'mlp.down_proj'] };

  test.each<[string, () => TrainConfig]>([
    ['drawn', () => runOf()],
    ['read', () => runOf({ model: { path: saved } })],
    ['with adapters', () => runOf({ model: { path: saved }, lora })],
    ['with a new score', () => runOf({ model: { path: saved }, objective: { loss: 'reward' } })],
  ])('%s: its part of the same values, nothing of other stages', (_, make) => {
    scope(() => {
      const run = make();
      const made = (place: Parameters<typeof createRunModel>[1]) => {
        const loaded = createRunModel(run, place);
        if (run.lora !== undefined) addAdapters(loaded, run.lora, run.seed);
        return { parameters: new Map(loaded.model.namedParameters()), cuts: loaded.cuts };
      };
      const whole = made({}).parameters;
      const stagePlace = { stage: 1, stages: 3, chunksPerStage: 1 };
      for (const place of [{ rank: 1, size: 2 }, undefined])
        for (const stage of [undefined, stagePlace]) {
          const { parameters, cuts } = made({ place, stagePlace: stage });
          expect([...parameters.keys()]).toEqual([...whole.keys()]);
          const elsewhere: string[] = [];
          for (const [path, parameter] of parameters) {
            const all = whole.get(path);
            if (all === undefined) throw new Error(path);
            const isAdapter = path.includes('.lora');
            if (
              stage !== undefined &&
              !path.startsWith('layers.1.') &&
              !isAdapter &&
              path !== 'score.weight'
            ) {
              elsewhere.push(path);
              expect(parameter.shape, path).toEqual(all.shape);
              expect(Number(parameter.abs().sum().item()), path).toBe(0);
            } else expect(parameter.toArray(), path).toEqual((cuts?.get(path)?.of(all) ?? all).toArray());
          }
          expect(elsewhere.length > 0).toBe(stage !== undefined);
          expect((cuts?.size ?? 0) > 0).toBe(place !== undefined);
        }
    });
  });

  test.each<[string, () => TrainConfig]>([
    [
      'the log-probabilities of a reference',
      () => runOf({ model: { path: saved }, objective: { loss: 'dpo', beta: 0.1 } }),
    ],
    ['the lengths of rows for DoRA', () => runOf({ model: { path: saved }, lora: { ...lora, dora: true } })],
  ])('%s are those of the whole model, which is there then', (_, make) => {
    scope(() => {
      const loaded = createRunModel(make(), {
        place: { rank: 1, size: 2 },
        stagePlace: { stage: 1, stages: 3, chunksPerStage: 1 },
      });
      expect(loaded.cuts).toBeUndefined();
      const whole = new Map(createRunModel(make()).model.namedParameters());
      for (const [path, parameter] of loaded.model.namedParameters())
        expect(parameter.toArray(), path).toEqual(whole.get(path)?.toArray());
    });
  });
});
