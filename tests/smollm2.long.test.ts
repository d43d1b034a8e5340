/** The same model over a long text, and converted: for transformers, and for llama.cpp again. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { convertModel, loadModel, loadModelTokenizer } from '../src/models/index.js';
import { intTensor, noGrad, scope } from '../src/tensor/index.js';
import { llamaCppGreedy, requiresLlamaCpp } from './support/llama-cpp.js';
import { referencePython, runReference } from './support/reference.js';
import { requiresPython } from './support/requires.js';
import { requiresSmolLm2, smolLm2Expected, smolLm2Path } from './support/smollm2.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-smollm2-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** -log p of every token after the first. */
function negativeLogLikelihoods(path: string, ids: readonly number[]): number[] {
  const { model } = loadModel(path);
  return noGrad(() =>
    scope(() => {
      const logits = model
        .forward(intTensor(ids, [1, ids.length]))
        .select(0, 0)
        .narrow(0, 0, ids.length - 1);
      const targets = intTensor(ids.slice(1), [ids.length - 1, 1]);
      // In float64: over 49152 tokens float32 loses 8e-6 of the mean.
      return logits.to('float64').logSoftmax(-1).gather(1, targets).neg().reshape([-1]).toArray();
    }),
  );
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const PROGRAM = `
import json, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, cases = sys.argv[1], json.loads(sys.argv[2])
model = AutoModelForCausalLM.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
answers = []
for case in cases:
    rendered = tokenizer.apply_chat_template(case, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**rendered, max_new_tokens=12)
    answers.append([rendered["input_ids"][0].tolist(), out[0, rendered["input_ids"].shape[1]:].tolist()])
print(json.dumps([str(model.dtype), tokenizer.eos_token, answers]))
`;

/** A margin below which rounding decides: llama.cpp leaves one answer at 0.0015. */
const CLEAR_MARGIN = 0.005;

describe('SmolLM2-135M-Instruct in Q4_1', requiresSmolLm2, () => {
  test('llama.cpp answers the same from the F16 that we write of it', {
    timeout: 300_000,
    ...requiresLlamaCpp,
  }, async () => {
    const to = join(folder, 'llama-cpp.gguf');
    await convertModel({ from: smolLm2Path, to, dtype: 'float16' });
    for (const { prompt_ids: prompt, new_ids: ids, least_top1_top2_margin: margin } of smolLm2Expected().chat)
      if (margin > CLEAR_MARGIN) expect(llamaCppGreedy(to, [prompt], [ids.length])).toEqual([ids]);
  });

  test('perplexity of a text, token by token', { timeout: 300_000 }, () => {
    const { input_ids: ids, nll, mean_nll: meanNll } = smolLm2Expected().perplexity;
    const found = negativeLogLikelihoods(smolLm2Path, ids);
    expect(found.length).toBe(nll.length);
    for (const [place, value] of nll.entries())
      expect(Math.abs((found[place] ?? 0) - value), `token ${place}`).toBeLessThan(3e-4);
    expect(Math.abs(mean(found) - meanNll)).toBeLessThan(2e-6);
  });

  const python = referencePython();
  test('transformers loads the converted folder and answers the same', {
    timeout: 300_000,
    ...requiresPython(python),
  }, async () => {
    if (python === undefined) return;
    const to = join(folder, 'hf');
    await convertModel({ from: smolLm2Path, to });
    for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
      expect(existsSync(join(to, name)), name).toBe(true);
    const chat = smolLm2Expected().chat.slice(0, 1);
    const [dtype, eos, answers] = runReference<[string, string, [number[], number[]][]]>(python, PROGRAM, [
      to,
      JSON.stringify(chat.map(({ messages }) => messages)),
    ]);
    expect([dtype, eos]).toEqual(['torch.float32', '<|im_end|>']);
    expect(answers).toEqual(chat.map(({ prompt_ids: prompt, new_ids: ids }) => [prompt, ids]));
  });

  test('in F16 for llama.cpp again it loses less than a rounding of each weight', {
    timeout: 300_000,
  }, async () => {
    const to = join(folder, 'f16.gguf');
    await convertModel({ from: smolLm2Path, to, dtype: 'float16' });
    const { input_ids: ids, nll } = smolLm2Expected().perplexity;
    const found = negativeLogLikelihoods(to, ids.slice(0, 257));
    // Computed in float16 as well; the text's mean is what counts.
    expect(Math.abs(mean(found) - mean(nll.slice(0, 256)))).toBeLessThan(0.02);
    const { architecture, model } = loadModel(to);
    const tokenizer = loadModelTokenizer(architecture, to);
    for (const { text, ids: expected } of smolLm2Expected().tokenizer)
      expect(tokenizer.encode(text)).toEqual(expected);
    model.dispose();
  });
});
