import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { loadArchitecture, loadModel } from '../../models/index.js';
import { scope } from '../../tensor/index.js';
import { trainConfigSchema } from './run-config.js';
import { createRunModel } from './run-model.js';

const cases = sharedData('../cases/spark') ?? '';

describe(
  "MindSpore's weights beside a config of another place",
  requiresShared(sharedData('../cases/spark')),
  () => {
    test('the weights are loaded, not drawn', () => {
      const folder = mkdtempSync(join(tmpdir(), 'run-model-'));
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
      rmSync(folder, { recursive: true });
    });
  },
);
