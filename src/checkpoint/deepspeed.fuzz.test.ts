import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { InputError } from '../errors/index.js';
import {
  dtypeBytes,
  elementCount,
  type TensorLeaf,
  type TorchInput,
  tensorBytes,
  writeTorchValue,
} from '../formats/index.js';
import { openZeroCheckpoint } from './deepspeed.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deepspeed-fuzz-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tensor = (dtype: 'float32' | 'bfloat16', shape: number[]): TensorLeaf => ({
  kind: 'tensor',
  dtype,
  shape,
  bytes: () => new Uint8Array(tensorBytes({ name: '', dtype, shape })),
});
const dict = (entries: Record<string, TorchInput>): TorchInput => new Map(Object.entries(entries));

/** What may stand where something else is due. */
const strange: fc.Arbitrary<TorchInput> = fc.constantFrom<TorchInput>(
  null,
  -1,
  0,
  1,
  3,
  0.5,
  2 ** 53,
  'text',
  [],
  [1],
  dict({}),
  dict({ w: [3, 2] }),
  dict({ w: 'v' }),
  [dict({ w: [3, 2], b: [7] })],
  [tensor('float32', [4])],
  [tensor('bfloat16', [4])],
  tensor('float32', [2, 3]),
);

function modelState(stage: number, changes: Readonly<Record<string, TorchInput>>): TorchInput {
  return dict({
    module: dict({ w: tensor('bfloat16', [3, 2]), b: tensor('bfloat16', [1]), f: tensor('bfloat16', [3]) }),
    buffer_names: ['b'],
    param_shapes: [dict({ w: [3, 2] })],
    frozen_param_shapes: dict({ f: [3] }),
    frozen_param_fragments: dict({ f: tensor('bfloat16', [stage === 3 ? 2 : 3]) }),
    shared_params: dict({ v: 'w' }),
    ...changes,
  });
}

function optimizerState(stage: number, changes: Readonly<Record<string, TorchInput>>): TorchInput {
  const share = [tensor('float32', [stage === 3 ? 3 : 4])];
  const groups = stage === 3 ? { fp32_flat_groups: share } : { single_partition_of_fp32_groups: share };
  return dict({
    optimizer_state_dict: dict({ zero_stage: stage, partition_count: 2, ...groups, ...changes }),
  });
}

const change = (keys: readonly string[]): fc.Arbitrary<Record<string, TorchInput>> =>
  fc.dictionary(fc.constantFrom(...keys), strange, { maxKeys: 2 });

const modelKeys = [
  'module',
  'buffer_names',
  'param_shapes',
  'frozen_param_shapes',
  'frozen_param_fragments',
  'shared_params',
];
const optimizerKeys = [
  'zero_stage',
  'partition_count',
  'fp32_flat_groups',
  'single_partition_of_fp32_groups',
  'param_alignment_paddings',
];

/** A sound folder of two ranks. */
function writeSound(stage: number): string {
  const step = join(folder, `stage${stage}`);
  mkdirSync(step);
  for (const rank of [0, 1]) {
    writeTorchValue(join(step, modelName(stage, rank)), modelState(stage, {}));
    writeTorchValue(join(step, optimizerName(rank)), optimizerState(stage, {}));
  }
  return step;
}

const modelName = (stage: number, rank: number): string =>
  `${stage === 3 ? `zero_pp_rank_${rank}_` : ''}mp_rank_00_model_states.pt`;
const optimizerName = (rank: number): string => `zero_pp_rank_${rank}_mp_rank_00_optim_states.pt`;

describe('fuzz: openZeroCheckpoint', () => {
  it.each([1, 2, 3])('stage %d: stands files that contradict each other or hold something else', (stage) => {
    const step = writeSound(stage);
    if (!readsOrRefuses(step)) throw new Error('the sound folder is refused');
    const ofModel = change(modelKeys).map((changes) => ({
      name: modelName(stage, 0),
      state: modelState(stage, changes),
    }));
    const ofOptimizer = fc
      .tuple(fc.constantFrom(0, 1), change(optimizerKeys))
      .map(([rank, changes]) => ({ name: optimizerName(rank), state: optimizerState(stage, changes) }));
    fc.assert(
      fc.property(fc.oneof(ofModel, ofOptimizer), ({ name, state }) => {
        const path = join(step, name);
        const sound = readFileSync(path);
        writeTorchValue(path, state);
        readsOrRefuses(step);
        writeFileSync(path, sound);
      }),
      { numRuns: 300 },
    );
  });
});

/** Whether the folder is accepted; accepted tensors must have as many bytes as they say. */
function readsOrRefuses(folder: string): boolean {
  try {
    for (const { name, dtype, shape, ranges } of openZeroCheckpoint(folder).fp32.values()) {
      const held = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      if (held !== elementCount([...shape, dtypeBytes(dtype)]))
        throw new Error(`accepted a false tensor ${name}`);
    }
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return false;
  }
}
