/**
 * Small Llamas in every kind of block, as llama.cpp's package writes them (../shared/golden/families-gguf): weights, tokenizer, logits
 * and greedy texts of the file alone, and after conversions.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { openModelCheckpoint } from '../src/checkpoint/index.js';
import { readJsonFile, readView } from '../src/formats/index.js';
import { generateIds } from '../src/generation/index.js';
import { convertModel, loadModel, loadModelTokenizer } from '../src/models/index.js';
import { floatTensor, intTensor, noGrad, type Tensor } from '../src/tensor/index.js';
import { casesOf } from './support/long-suite.js';
import { referencePython, runReference } from './support/reference.js';
import { requires, requiresPython } from './support/requires.js';

const shared = fileURLToPath(new URL('../../shared/golden/families-gguf/', import.meta.url));
const hasShared = existsSync(join(shared, 'expected.json'));

interface Ids {
  readonly input_ids: readonly (readonly number[])[];
  readonly logits64_last: readonly (readonly number[])[];
}

interface Expected extends Ids {
  readonly tensors: Readonly<Record<string, { readonly sha256_float32: string }>>;
  readonly config: { readonly tie_word_embeddings: boolean };
  readonly rope_freqs: boolean;
  readonly tokenizer: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly long: Ids;
  readonly greedy: { readonly prompt_ids: number[][]; readonly new_ids: number[][] };
}

const expected = hasShared
  ? (readJsonFile(join(shared, 'expected.json')) as Readonly<Record<string, Expected>>)
  : {};

const folder = mkdtempSync(join(tmpdir(), 'xinghe-gguf-families-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** [rows, V] of the last positions, in float64. */
function lastLogits(path: string, { input_ids: rows }: Ids): Tensor {
  const { model } = loadModel(path, { dtype: 'float64' });
  const length = rows[0]?.length ?? 0;
  const ids = intTensor(rows.flat(), [rows.length, length]);
  return noGrad(() => model.forward(ids, { lastPositions: 1 })).select(1, 0);
}

function difference(path: string, ids: Ids): number {
  const golden = floatTensor(ids.logits64_last.flat(), [ids.logits64_last.length, 320], { dtype: 'float64' });
  return lastLogits(path, ids).sub(golden).abs().max().item();
}

const PROGRAM = `
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
found = []
for folder, rows, texts in json.loads(sys.argv[1]):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").double()
    with torch.no_grad():
        logits = model(torch.tensor(rows)).logits[:, -1]
    found.append([logits.tolist(), [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]])
print(json.dumps(found))
`;

const python = referencePython();
/** One of each rule of cutting words; q8_0 has divisors. */
const NAMES = casesOf(
  ['llama_q8_0.gguf', 'llama_q4_1.gguf', 'llama_q5_0.gguf', 'llama_f16.gguf'],
  (name) => name === 'llama_q8_0.gguf',
);

/** transformers computes rotary angles in float32 even where all else is float64; seen: 2e-5 of logits whose deviation is 8. */
const ANGLES = 2e-4;

describe('transformers', {
  ...requires(hasShared, '../shared/golden/families-gguf is absent'),
  ...requiresPython(python),
}, () => {
  test('reads the converted folders as we do', { timeout: 300_000 }, async () => {
    if (python === undefined || !hasShared) return;
    const cases = NAMES.map((name) => ({
      golden: expected[name],
      from: join(shared, name),
      to: join(folder, `hf-${name}`.replace('.gguf', '')),
    }));
    // In float32: in F16 the norms, which a GGUF has in F32, would be rounded too.
    for (const { from, to } of cases) await convertModel({ from, to, dtype: 'float32' });
    const given = cases.map(({ golden, to }) => [
      to,
      golden?.long.input_ids,
      golden?.tokenizer.map(({ text }) => text),
    ]);
    const found = runReference<[number[][], number[][]][]>(python, PROGRAM, [JSON.stringify(given)]);
    for (const [index, [logits, ids]] of found.entries()) {
      const golden = cases[index]?.golden;
      expect(ids).toEqual(golden?.tokenizer.map((row) => row.ids));
      for (const [row, values] of logits.entries())
        for (const [id, value] of values.entries())
          expect(Math.abs(value - (golden?.long.logits64_last[row]?.[id] ?? Number.NaN))).toBeLessThan(
            ANGLES,
          );
    }
  });
});

describe('small Llamas', requires(hasShared, '../shared/golden/families-gguf is absent'), () => {
  test('are all there', () => expect(Object.keys(expected).length).toBe(12));

  describe.each(Object.entries(expected))('%s', (name, golden) => {
    const path = join(shared, name);
    // The golden divisors are float64; the file has them in float32, and they are taken as they are.
    const bound = golden.rope_freqs ? 2e-6 : 1e-12;

    test('logits of the last position, short and long', () => {
      expect(difference(path, golden)).toBeLessThan(bound);
      expect(difference(path, golden.long)).toBeLessThan(golden.rope_freqs ? 1e-5 : 1e-12);
    });

    test('greedy ids', () => {
      const { model } = loadModel(path);
      const { prompt_ids: prompts, new_ids: made } = golden.greedy;
      const requests = prompts.map((promptIds, row) => ({
        promptIds,
        maxNewTokens: made[row]?.length ?? 0,
      }));
      expect(generateIds(model, requests).map(({ ids }) => ids)).toEqual(made);
      model.dispose();
    });

    test('ids of texts, special tokens among them', () => {
      const { architecture, model } = loadModel(path);
      const tokenizer = loadModelTokenizer(architecture, path);
      for (const { text, ids } of golden.tokenizer) expect(tokenizer.encode(text), text).toEqual(ids);
      model.dispose();
    });

    test('as a folder of Hugging Face, and as a GGUF of that again', async () => {
      const to = join(folder, name.replace('.gguf', ''));
      await convertModel({ from: path, to, dtype: 'float32' });
      const tensors = openModelCheckpoint(to).ranks[0] ?? new Map();
      const hashes = [...tensors].map(([tensor, view]) => {
        const hash = createHash('sha256');
        for (const piece of readView(view)) hash.update(piece);
        return [tensor, hash.digest('hex')];
      });
      expect(Object.fromEntries(hashes)).toEqual(
        Object.fromEntries(
          Object.entries(golden.tensors).map(([tensor, { sha256_float32: hash }]) => [tensor, hash]),
        ),
      );
      const config: unknown = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'));
      expect(config).toMatchObject({
        model_type: 'llama',
        rms_norm_eps: 1e-5,
        rope_scaling: golden.rope_freqs
          ? {
              rope_type: 'llama3',
              factor: 8,
              low_freq_factor: 1,
              high_freq_factor: 4,
              original_max_position_embeddings: 64,
            }
          : null,
        tie_word_embeddings: golden.config.tie_word_embeddings,
        bos_token_id: 1,
        eos_token_id: 2,
        pad_token_id: 2,
      });
      expect(difference(to, golden)).toBeLessThan(bound);
      const again = join(folder, `again-${name}`);
      await convertModel({ from: to, to: again });
      expect(difference(again, golden.long)).toBe(difference(path, golden.long));
      const { architecture } = loadModel(again);
      const tokenizer = loadModelTokenizer(architecture, again);
      for (const { text, ids } of golden.tokenizer) expect(tokenizer.encode(text), text).toEqual(ids);
    });
  });
});
