/** Settings of a run that belong together, or not. */
import { expect, test } from 'vitest';
import { parseConfig } from '../../config/index.js';
import { trainConfigSchema } from './run-config.js';

const parse = (data: Record<string, unknown>, evaluation?: Record<string, unknown>) =>
  parseConfig(
    trainConfigSchema,
    {
      output: 'out',
      model: { path: 'model' },
      data: { files: ['a.jsonl'], form: 'text', ...data },
      training: { steps: 1 },
      ...(evaluation && { evaluation: { files: ['b.jsonl'], form: 'text', ...evaluation } }),
    },
    { source: 'run.yaml' },
  );

test.each([
  [{ chat_template: 'chatml' }],
  [{ template_values: { enable_thinking: false } }],
  [{ packing: 'none' }],
])('text takes nothing that is for dialogues: %o', (changes) => {
  expect(() => parse(changes)).toThrow(/run\.yaml.*data.*form text is learned as it is/s);
  expect(() => parse({}, changes)).toThrow(/run\.yaml.*evaluation.*form text is learned as it is/s);
  expect(() => parse({ ...changes, form: 'messages' })).not.toThrow();
});

test('text joined, as it always is, may be said', () => {
  expect(parse({ packing: 'greedy' }).data.packing).toBe('greedy');
});
