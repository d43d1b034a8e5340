/** Damaged files of other programs: a model with packed weights and a tokenizer of either kind. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { mutated } from '../../../tests/support/mutate.js';
import { InputError } from '../../errors/index.js';
import {
  dequantized,
  type GgufTensorInput,
  type GgufValue,
  openGgufModel,
  readTensorBytes,
  writeGgufFile,
} from '../../formats/index.js';
import { embeddedConfig } from '../convert/gguf/gguf-config.js';
import { readEmbeddedFiles } from '../convert/gguf/gguf-files.js';
import { openTokenizer } from '../model-tokenizer.js';
import { parseArchitecture } from '../registry.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = (value: string): GgufValue => ({ type: 'string', value });
const count = (value: number): GgufValue => ({ type: 'uint32', value });
const texts = (value: string[]): GgufValue => ({ type: 'array', itemType: 'string', value });

const model: [string, GgufValue][] = [
  ['general.architecture', text('llama')],
  ['llama.block_count', count(1)],
  ['llama.context_length', count(64)],
  ['llama.embedding_length', count(32)],
  ['llama.feed_forward_length', count(32)],
  ['llama.attention.head_count', count(4)],
  ['llama.attention.head_count_kv', count(2)],
  ['llama.attention.layer_norm_rms_epsilon', { type: 'float32', value: 1e-5 }],
  ['llama.rope.scaling.type', text('yarn')],
  ['llama.rope.scaling.factor', { type: 'float32', value: 4 }],
  ['tokenizer.ggml.eos_token_id', count(1)],
  ['tokenizer.chat_template', text('{{ messages }}')],
];
const gpt2: [string, GgufValue][] = [
  ['tokenizer.ggml.model', text('gpt2')],
  ['tokenizer.ggml.pre', text('llama-bpe')],
  ['tokenizer.ggml.tokens', texts(['<|a|>', '<b>', 'a', 'b', 'ab', '1'])],
  ['tokenizer.ggml.token_type', { type: 'array', itemType: 'int32', value: [3, 4, 1, 1, 1, 1] }],
  ['tokenizer.ggml.merges', texts(['a b'])],
];
const llama: [string, GgufValue][] = [
  ['tokenizer.ggml.model', text('llama')],
  ['tokenizer.ggml.tokens', texts(['<unk>', '<s>', '▁', 'a', 'b', 'ab'])],
  ['tokenizer.ggml.token_type', { type: 'array', itemType: 'int32', value: [2, 3, 1, 1, 1, 1] }],
  ['tokenizer.ggml.scores', { type: 'array', itemType: 'float32', value: [0, 0, -1, -2, -3, -0.5] }],
];
const tensors: GgufTensorInput[] = [
  { name: 'token_embd.weight', quantization: 'Q4_1', shape: [6, 32], bytes: () => new Uint8Array(120) },
  { name: 'output_norm.weight', dtype: 'float32', shape: [32], bytes: () => new Uint8Array(128) },
];

const path = join(folder, 'fuzz.gguf');

/** Everything that a command may ask of a file. */
function use(bytes: Buffer): void {
  writeFileSync(path, bytes);
  const config = embeddedConfig(path);
  if (config !== undefined) parseArchitecture(config.config, config.source);
  for (const tensor of openGgufModel(path).tensors.values())
    readTensorBytes('quantization' in tensor ? dequantized(tensor) : tensor);
  if (readEmbeddedFiles(path).length > 0) openTokenizer(path).encode('ab<b>a1 ü');
}

test.each([
  ['gpt2', gpt2],
  ['llama', llama],
])('with the tokenizer %s, damaged anyhow: one message, or a model', (_kind, tokenizer) => {
  writeGgufFile(path, new Map([...model, ...tokenizer]), tensors);
  const valid = readFileSync(path);
  use(valid);
  let refused = 0;
  fc.assert(
    fc.property(mutated(valid), (bytes) => {
      try {
        use(bytes);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        if (!error.message.includes('fuzz.gguf') || error.message.length > 2000)
          throw new Error(`poor message: ${error.message}`);
        refused += 1;
      }
    }),
    { numRuns: 400 },
  );
  expect(refused).toBeGreaterThan(100);
});
