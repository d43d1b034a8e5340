import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import { readSamples } from '../read-samples.js';
import type { Sample, SkippedRecord } from '../sample.js';
import { Cleaner, type CleanOptions, cleanSamples, cleanSparkText } from './clean.js';

function clean(options: CleanOptions, text: string): unknown {
  const cleaned = new Cleaner(options).clean({ kind: 'text', text, origin: { file: 'f', line: 3 } });
  return 'kind' in cleaned && cleaned.kind === 'text' ? cleaned.text : cleaned;
}

test.each([
  ['  好的 \n', '好的'],
  ['一\\r\\n二\\n三', '一\n二\n三'],
  ['一\r\n二\n三', '一\r\n二\n三'],
  ['a\n\nb', 'a\n\nb'],
])('cleanSparkText(%j)', (text, expected) => {
  expect(cleanSparkText(text)).toBe(expected);
});

test('the Spark texts are those of the golden rows', async () => {
  const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/spark_like/tokenizer.model`, {
    newlineToken: '<ret>',
  });
  const end = tokenizer.tokenToId('<end>');
  const ids: (number | undefined)[] = [];
  const file = `${goldenFolder}dataprep/alpaca_small.json`;
  const samples = cleanSamples(
    readSamples([file], { form: 'auto', inputSeparator: '' }),
    new Cleaner({ spark: true }),
    () => {},
  );
  for await (const sample of samples) {
    if (sample.kind !== 'dialogue') throw new Error('not a dialogue');
    ids.push(...tokenizer.encode(sample.messages.at(-1)?.content ?? ''), end);
  }
  const golden = goldenJson<{ pretrain_rows: number[][] }>(
    'dataprep/spark_rows_32.json',
  ).pretrain_rows.flat();
  expect(golden.length).toBeGreaterThan(390);
  expect(ids.slice(0, golden.length)).toEqual(golden);
});

describe('general steps', () => {
  test.each<[CleanOptions, string, string]>([
    [{ unicode: 'NFC' }, 'e\u0301Ａ', '\u00e9Ａ'],
    [{ unicode: 'NFKC' }, 'e\u0301Ａ', '\u00e9A'],
    [{ controlCharacters: true }, '\ufeff一\u0000\u200b\u0085二\r\n\t三\u200d', '一二\n\t三\u200d'],
    [{ fullWidthSpaces: true }, '\u3000一\u00a0二', ' 一 二'],
    [{ blankLines: true }, 'a  \n\n \n\n\nb\nc', 'a\n\nb\nc'],
    [{ trim: true }, ' \u3000a\n', 'a'],
  ])('%j', (options, text, expected) => {
    expect(clean(options, text)).toBe(expected);
  });

  test('lengths are of characters, not UTF-16 units', () => {
    expect(clean({ minLength: 2, maxLength: 2 }, '😀好')).toBe('😀好');
    expect(clean({ minLength: 3 }, '😀好')).toMatchObject({ file: 'f', line: 3, reason: 'too short' });
    expect(clean({ maxLength: 1 }, '😀好')).toMatchObject({
      reason: 'too long',
      message: 'f:3: the sample has 2 characters, at most 1 are kept.',
    });
  });

  test('each step counts the samples that it changed', async () => {
    const texts = ['Ａ', ' b', 'c', ' '];
    async function* samples(): AsyncGenerator<Sample> {
      for (const [index, text] of texts.entries())
        yield { kind: 'text', text, origin: { file: 'f', line: index + 1 } };
    }
    const cleaner = new Cleaner({ unicode: 'NFKC', trim: true, minLength: 1 });
    const skipped: SkippedRecord[] = [];
    const kept: Sample[] = [];
    for await (const sample of cleanSamples(samples(), cleaner, (record) => skipped.push(record)))
      kept.push(sample);
    expect(kept.map((sample) => sample.kind === 'text' && sample.text)).toEqual(['A', 'b', 'c']);
    expect(Object.fromEntries(cleaner.changed)).toEqual({ NFKC: 1, trim: 2 });
    expect(skipped.map(({ line, reason }) => [line, reason])).toEqual([[4, 'too short']]);
  });
});
