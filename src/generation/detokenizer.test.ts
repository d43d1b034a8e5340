import { expect, test } from 'vitest';
import { goldenFolder } from '../../tests/support/golden.js';
import { loadTokenizer } from '../tokenizers/index.js';
import { createDetokenizer } from './detokenizer.js';

const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/spm_bpe_bytefallback`);

function answer(prompt: string, text: string, continuesPrompt: boolean): string {
  const promptIds = tokenizer.encode(prompt);
  const stream = createDetokenizer(tokenizer, { promptIds, continuesPrompt });
  return (
    tokenizer
      .encode(text)
      .map((id) => stream.push(id))
      .join('') + stream.end()
  );
}

test('an answer that goes on in the prompt keeps its first space, one of its own does not', () => {
  expect(answer('see', 'you', true)).toBe(' you');
  expect(answer('see', 'you', false)).toBe('you');
});

test('nothing of the prompt is seen, whole or open', () => {
  for (const prompt of ['see', '高', '鑫', 'a ', '</s>']) {
    const own = answer(prompt, 'you', true);
    expect(own.trimStart()).toBe('you');
  }
});
