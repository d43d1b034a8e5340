/** A real model in one GGUF of another program: its tokenizer, its likeliest tokens, its answers. */
import { describe, expect, test } from 'vitest';
import { generateIds } from '../src/generation/index.js';
import { type LoadedModel, loadModel, loadModelTokenizer, readAuxiliaryFile } from '../src/models/index.js';
import { intTensor, noGrad } from '../src/tensor/index.js';
import { requiresSmolLm2, smolLm2Expected, smolLm2Path } from './support/smollm2.js';

describe('SmolLM2-135M-Instruct in Q4_1', requiresSmolLm2, () => {
  let loaded: LoadedModel | undefined;
  const open = (): LoadedModel => {
    loaded ??= loadModel(smolLm2Path);
    return loaded;
  };

  test('ids of texts and their text, the template of its chats', () => {
    const tokenizer = loadModelTokenizer(open().architecture, smolLm2Path);
    for (const { text, ids, decoded } of smolLm2Expected().tokenizer) {
      expect(tokenizer.encode(text), text).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
    for (const { prompt, prompt_ids: ids } of smolLm2Expected().chat)
      expect(tokenizer.encode(prompt)).toEqual(ids);
    const config = JSON.parse(readAuxiliaryFile(smolLm2Path, 'tokenizer_config.json') ?? '{}');
    expect(config.chat_template).toContain('named SmolLM, trained by Hugging Face<|im_end|>');
  });

  test('the five likeliest tokens', () => {
    const { model } = open();
    for (const { prompt, input_ids: ids, top5_ids: top, top5_logits: logits } of smolLm2Expected().top5) {
      const last = noGrad(() => model.forward(intTensor(ids, [1, ids.length]), { lastPositions: 1 })).reshape(
        [-1],
      );
      const values = last.toArray();
      const order = [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0)).slice(0, 5);
      expect(order, prompt).toEqual(top);
      for (const [place, id] of order.entries())
        expect(Math.abs((values[id] ?? 0) - (logits[place] ?? 0)), prompt).toBeLessThan(2e-4);
    }
  });

  test('greedy answers end by themselves, ids exact', { timeout: 60_000 }, () => {
    const { model, architecture } = open();
    const { chat } = smolLm2Expected();
    const answers = generateIds(
      model,
      chat.map(({ prompt_ids: promptIds, new_ids: { length: maxNewTokens } }) => ({
        promptIds,
        maxNewTokens,
        stopTokenIds: architecture.eosTokenIds,
      })),
    );
    expect(answers.map(({ ids }) => ids)).toEqual(chat.map(({ new_ids: ids }) => ids));
    const tokenizer = loadModelTokenizer(architecture, smolLm2Path);
    const text = tokenizer.decode(answers[0]?.ids ?? [], { skipSpecialTokens: true });
    expect(text).toBe('The capital of France is Paris.');
  });
});
