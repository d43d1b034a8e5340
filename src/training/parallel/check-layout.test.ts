/** Layouts that are refused before anything is allocated, with what would fit. */
import { expect, test } from 'vitest';
import { parseArchitecture } from '../../models/index.js';
import { checkModelSplit, checkWorldSize } from './check-layout.js';
import { parallelSchema } from './parallel-config.js';

function checkModel(
  changes: Record<string, unknown>,
  parallel: number | Parameters<typeof parallelSchema.parse>[0],
): void {
  const config = {
    model_type: 'qwen3_moe',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    moe_intermediate_size: 12,
    num_experts: 4,
    num_experts_per_tok: 2,
    num_hidden_layers: 2,
    num_attention_heads: 12,
    num_key_value_heads: 3,
    head_dim: 4,
    ...changes,
  };
  checkModelSplit(
    parseArchitecture(config, 'test'),
    parallelSchema.parse(typeof parallel === 'number' ? { tensor: parallel } : parallel),
  );
}

test.each([
  { ranks: 2, parallel: { tensor: 2 } },
  { ranks: 8, parallel: { tensor: 2, data: 4 } },
  { ranks: 6, parallel: { data: 6 } },
  { ranks: 6, parallel: {} },
  { ranks: 12, parallel: { pipeline: 3, context: 2, tensor: 2 } },
  { ranks: 12, parallel: { pipeline: 2, data: 3, context: 2 } },
])('$ranks ranks go with $parallel', ({ ranks, parallel }) => {
  expect(() => checkWorldSize(ranks, parallelSchema.parse(parallel))).not.toThrow();
});

test.each([
  {
    ranks: 6,
    parallel: { tensor: 4 },
    says: /tensor is 4, and 6 ranks .* a multiple of 4, .* of 1, 2, 3, 6\./,
  },
  {
    ranks: 4,
    parallel: { tensor: 2, data: 4 },
    says: /data 4 x parallel\.tensor 2 are 8 ranks, and 4 .* for 2\./,
  },
  { ranks: 4, parallel: { data: 2 }, says: /data is 2, and 4 ranks were started/ },
  { ranks: 2, parallel: { tensor: 4 }, says: /tensor is 4, and 2 ranks were started/ },
  { ranks: 4, parallel: { pipeline: 3 }, says: /pipeline is 3, and 4 .* or give a pipeline of 1, 2, 4\./ },
  {
    ranks: 6,
    parallel: { pipeline: 2, context: 2 },
    says: /pipeline 2 x parallel\.context 2 are 4 ranks, and 6 .* product is 1, 2, 3, 6\./,
  },
  {
    ranks: 8,
    parallel: { pipeline: 2, tensor: 2, data: 4 },
    says: /data 4 x parallel\.pipeline 2 x parallel\.tensor 2 are 16 ranks, and 8 .* for 2\./,
  },
])('$ranks ranks do not go with $parallel', ({ ranks, parallel, says }) => {
  expect(() => checkWorldSize(ranks, parallelSchema.parse(parallel))).toThrow(says);
});

test('sequence goes with tensor alone', () => {
  expect(() => parallelSchema.parse({ sequence: true })).toThrow(/sequence goes with tensor/);
  expect(parallelSchema.parse({ sequence: true, tensor: 2 }).sequence).toBe(true);
});

// Neither heads of keys and values nor ids need to be a multiple.
test.each([1, 2, 3, 4, 6, 12])('a model of 12 heads is cut into %d', (tensor) => {
  expect(() => checkModel({ vocab_size: 53 }, tensor)).not.toThrow();
});

test.each([
  {
    what: 'heads',
    changes: {},
    tensor: 5,
    says: /the model has 12 heads, .*; what fits is 1, 2, 3, 4, 6, 12\./,
  },
  {
    what: 'experts',
    changes: { moe_intermediate_size: 10 },
    tensor: 4,
    says: /10 channels .* fits is 1, 2\./,
  },
  {
    what: 'the MLP',
    changes: { intermediate_size: 9, mlp_only_layers: [0] },
    tensor: 2,
    says: /9 channels .* fits is 1, 3\./,
  },
  { what: 'ids', changes: { vocab_size: 5 }, tensor: 6, says: /5 ids.* fits is 1, 2, 3, 4\./ },
])('refused for $what', ({ changes, tensor, says }) => {
  expect(() => checkModel(changes, tensor)).toThrow(says);
});

test('an MLP that no layer has is not asked', () => {
  expect(() => checkModel({ intermediate_size: 7 }, 2)).not.toThrow();
});

test('schedule and chunks go with a pipeline', () => {
  expect(() => parallelSchema.parse({ schedule: 'interleaved' })).toThrow(/interleaved goes with pipeline/);
  expect(() => parallelSchema.parse({ pipeline: 2, chunks: 2 })).toThrow(
    /chunks goes with schedule: interleaved/,
  );
  expect(parallelSchema.parse({ pipeline: 2, schedule: 'interleaved', chunks: 3 }).chunks).toBe(3);
});

test.each([
  { parallel: { pipeline: 3 }, says: /pipeline is 3, and the model has 2 blocks.*what fits is 1 to 2\./ },
  {
    parallel: { pipeline: 2, schedule: 'interleaved' },
    says: /pipeline is 2 in 2 pieces each, and the model has 2 blocks.*what fits is 1\./,
  },
  {
    parallel: { context: 5 },
    says: /context is 5, and the model has 12 heads, .* what fits is 1, 2, 3, 4, 6, 12\./,
  },
  {
    parallel: { context: 3, tensor: 2, sequence: true },
    // 6 on each rank: 3 fits.
    says: undefined,
  },
  {
    parallel: { context: 4, tensor: 2 },
    says: /context is 4, and the model has 12 heads \(6 on each rank of parallel\.tensor\), .* what fits is 1, 2, 3, 6\./,
  },
])('blocks and heads: $parallel', ({ parallel, says }) => {
  const check = (): void => checkModel({}, parallel);
  if (says === undefined) expect(check).not.toThrow();
  else expect(check).toThrow(says);
});
