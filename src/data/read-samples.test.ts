import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { requiresShared } from '../../tests/support/requires.js';
import { sharedData } from '../../tests/support/shared-data.js';
import { type ReadSamplesOptions, readSamples } from './read-samples.js';
import { type Sample, sampleTexts } from './sample.js';
import { SkipReport } from './skip-report.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-samples-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(...records: unknown[]): string {
  const path = join(folder, 'records.jsonl');
  writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return path;
}

async function read(path: string, options: ReadSamplesOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  for await (const sample of readSamples([path], options)) samples.push(sample);
  return samples;
}

test('samples with their origin', async () => {
  const path = file({ text: '一' }, { text: '', id: 3 });
  expect(await read(path, { form: 'text' })).toEqual([
    { kind: 'text', text: '一', origin: { file: path, line: 1 } },
    { kind: 'text', text: '', origin: { file: path, line: 2 } },
  ]);
  expect(await read(file({ body: '二' }), { form: 'text', textField: 'body' })).toMatchObject([
    { text: '二' },
  ]);
});

test('a faulty record stops with file, line and key', async () => {
  const path = file({ text: '一' }, { content: '二', id: 1 });
  await expect(read(path, { form: 'text' })).rejects.toThrow(
    /records\.jsonl:2: missing `text`; keys found: content, id\.$/,
  );
  await expect(read(file([1, 2]), { form: 'text' })).rejects.toThrow(/records\.jsonl:1: expected an object/);
});

test('faulty records of every kind are skipped and counted', async () => {
  const path = join(folder, 'faulty.jsonl');
  const lines = [
    '{"text": "一"}',
    '{"text": 2}',
    '{"text"',
    '{}',
    '"no record"',
    '{"text": "\uffff"}',
    '{"text": "三"}',
  ];
  writeFileSync(
    path,
    Buffer.from(lines.join('\n')).map((byte, index, all) =>
      all[index + 1] === 0xbf && byte === 0xbf ? 0xff : byte,
    ),
  );
  const report = new SkipReport();
  const samples = await read(path, { form: 'text', onError: 'skip', onSkip: report.add });
  expect(samples.flatMap(sampleTexts)).toEqual(['一', '三']);
  expect(report.total).toBe(5);
  expect(
    Object.fromEntries(
      report.reasons().map(({ reason, count, examples }) => [reason, [count, examples[0]?.line]]),
    ),
  ).toEqual({
    'wrong type': [1, 2],
    'not valid JSON': [1, 3],
    'missing key': [1, 4],
    'not a record': [1, 5],
    'not UTF-8': [1, 6],
  });
});

test('a missing file stops also where records are skipped', async () => {
  const missing = join(folder, 'nowhere.jsonl');
  await expect(read(missing, { form: 'text', onError: 'skip' })).rejects.toThrow(
    /nowhere\.jsonl does not exist/,
  );
});

describe('auto', () => {
  const dialogue = {
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content: 'a' },
    ],
  };
  test.each([
    ['messages', dialogue],
    [
      'sharegpt',
      {
        conversations: [
          { from: 'human', value: 'q' },
          { from: 'gpt', value: 'a' },
        ],
      },
    ],
    ['alpaca', { instruction: 'q', input: '', output: 'a' }],
    ['telechat', { input: '<_user>q', output: 'a' }],
  ])('%s', async (_form, record) => {
    expect(await read(file(record), { form: 'auto' })).toMatchObject([{ kind: 'dialogue', ...dialogue }]);
  });

  test('what cannot be told is refused', async () => {
    await expect(read(file({ ...dialogue, text: 'x' }), { form: 'auto' })).rejects.toThrow(
      /records\.jsonl:1: the record could be of the forms messages and text/,
    );
    await expect(read(file({ text: 'x' }, dialogue), { form: 'auto' })).rejects.toThrow(
      /records\.jsonl:2: a record of the form messages after records of the form text/,
    );
    await expect(read(file({ body: 'x' }), { form: 'auto' })).rejects.toThrow(
      /records\.jsonl:1: .*keys found: body/,
    );
  });
});

const sft = sharedData('sft');
test('every published TeleChat sample is read, single-turn and multi-turn', requiresShared(sft), async () => {
  const single = await read(`${sft}/telechat_single_turn.jsonl`, { form: 'auto' });
  const multi = await read(`${sft}/telechat_multi_turn.jsonl`, { form: 'auto' });
  const lengths = (samples: Sample[]): Set<number> =>
    new Set(samples.map((sample) => sampleTexts(sample).length));
  expect(single.length).toBeGreaterThan(100);
  expect([...lengths(single)]).toEqual([2]);
  expect(multi.length).toBeGreaterThan(100);
  expect(Math.min(...lengths(multi))).toBeGreaterThan(2);
});
