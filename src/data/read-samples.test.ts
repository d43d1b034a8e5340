import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type ChatForm, readDialogues, readTexts } from './read-samples.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-samples-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(...records: unknown[]): string {
  const path = join(folder, 'records.jsonl');
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

const dialogues = (form: ChatForm, ...records: unknown[]) => [...readDialogues(file(...records), form)];

test('texts', () => {
  expect([...readTexts(file({ text: '一' }, { text: '', id: 3 }))]).toEqual(['一', '']);
  expect(() => [...readTexts(file({ text: '一' }, { content: '二' }))]).toThrow(
    /records\.jsonl:2: text: missing/,
  );
});

test('messages', () => {
  const messages = [
    { role: 'system', content: 's' },
    { role: 'user', content: 'q' },
    { role: 'assistant', content: 'a' },
  ];
  expect(dialogues('messages', { messages, id: 1 })).toEqual([messages]);
  expect(() => dialogues('messages', { messages }, { messages: [{ role: 'bot', content: 'a' }] })).toThrow(
    /records\.jsonl:2: messages/,
  );
});

describe('telechat', () => {
  const [q1, a1, q2, a2] = ['q1', 'a1', 'q2', 'a2'];
  const twoTurns = [
    { role: 'user', content: q1 },
    { role: 'assistant', content: a1 },
    { role: 'user', content: q2 },
    { role: 'assistant', content: a2 },
  ];

  test.each(['<_user>q1<_bot>a1<_user>q2', 'q1<_bot>a1<_user>q2', '<_user>q1<_bot>a1<_user>q2<_bot>'])(
    '%s',
    (input) => {
      expect(dialogues('telechat', { input, output: a2 })).toEqual([twoTurns]);
    },
  );

  test('a single question without a marker', () => {
    expect(dialogues('telechat', { input: q1, output: a1 })).toEqual([twoTurns.slice(0, 2)]);
  });

  test.each([
    ['<_user>q1<_user>q2', 'turn 1'],
    ['<_user>q1<_bot>a1<_bot>b1<_user>q2', 'turn 1'],
    ['<_user>q1<_bot>a1<_user>q2<_bot>a2', 'turn 2'],
  ])('refuses %s', (input, turn) => {
    expect(() => dialogues('telechat', { input: q1, output: a1 }, { input, output: a2 })).toThrow(
      new RegExp(`records\\.jsonl:2: ${turn} of "input"`),
    );
  });
});
