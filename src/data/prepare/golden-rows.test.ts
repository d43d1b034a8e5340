/** Rows against those of the published programs: tests/golden/dataprep, and TeleChat's on real conversations. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder, goldenJson } from '../../../tests/support/golden.js';
import { requires, requiresShared } from '../../../tests/support/requires.js';
import { sharedData } from '../../../tests/support/shared-data.js';
import { loadTokenizer, type Tokenizer } from '../../tokenizers/index.js';
import { openDataset } from '../dataset/open-dataset.js';
import type { PrepareReport } from '../report.js';
import { prepareDataset } from './prepare-dataset.js';
import type { PrepareOptions } from './prepare-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-rows-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let outputs = 0;

interface PlainRow {
  ids: number[];
  mask: number[];
  lines: number[];
}

async function prepare(
  options: Omit<PrepareOptions, 'output'>,
): Promise<{ rows: PlainRow[]; report: PrepareReport; output: string }> {
  const output = join(folder, `out-${outputs++}`);
  const report = await prepareDataset({ ...options, output, workers: 1 });
  const dataset = openDataset(output);
  const rows = Array.from({ length: dataset.rowCount }, (_, index): PlainRow => {
    const { ids, lossMask } = dataset.row(index);
    return { ids: [...ids], mask: [...lossMask], lines: dataset.origins(index).map(({ line }) => line) };
  });
  dataset.close();
  return { rows, report, output };
}

interface SparkRows {
  pretrain_rows: number[][];
  pretrain_tokens: number;
  sft_rows: { input_ids: number[]; loss_mask: number[] }[];
  sft_records_longer_than_a_row_left_out: number[];
}

describe.each([32, 256])('Spark, rows of %i + 1', (seqLength) => {
  const golden = goldenJson<SparkRows>(`dataprep/spark_rows_${seqLength}.json`);
  const input = `${goldenFolder}dataprep/alpaca_small.json`;
  const common = {
    form: 'alpaca',
    tokenizer: `${goldenFolder}tokenizers/spark_like`,
    seqLength,
    inputs: [input],
  } as const;

  test('pre-training rows, and the last one that the published program loses', async () => {
    const { rows, report } = await prepare({ ...common, recipe: 'spark-pretrain' });
    const whole = golden.pretrain_rows.length;
    expect(rows.slice(0, whole).map(({ ids }) => ids)).toEqual(golden.pretrain_rows);
    expect(rows.length).toBe(Math.ceil(golden.pretrain_tokens / (seqLength + 1)));
    expect(report.train.tokens).toBe(golden.pretrain_tokens);
    const last = rows.at(-1);
    const left = golden.pretrain_tokens % (seqLength + 1);
    expect(last?.mask).toEqual(last?.ids.map((_, place) => (place < left ? 1 : 0)));
    expect(last?.ids.slice(left).every((id) => id === 0)).toBe(true);
  });

  test('fine-tuning rows; what is longer than a row is listed', async () => {
    const { rows, output } = await prepare({ ...common, recipe: 'spark-sft' });
    expect(rows.map(({ ids }) => ids)).toEqual(golden.sft_rows.map(({ input_ids }) => input_ids));
    expect(rows.map(({ mask }) => mask)).toEqual(golden.sft_rows.map(({ loss_mask }) => loss_mask));
    const records = JSON.parse(readFileSync(input, 'utf8')) as { output: string }[];
    const longer = skippedLines(output).map(({ line }) => line);
    expect(longer.length).toBe(golden.sft_records_longer_than_a_row_left_out.length);
    expect(longer.length + rows.flatMap(({ lines }) => lines).length).toBe(records.length);
  });
});

function skippedLines(output: string): { line: number; reason: string }[] {
  return readFileSync(join(output, 'skipped.jsonl'), 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as { line: number; reason: string });
}

interface TelechatRows {
  source: { file: string; line: number }[];
  line_token_lengths: number[];
  dropped_records: number[];
  rows: { records: number[]; input_ids: number[]; loss_mask: number[] }[];
}

describe.each([1024, 4096])('TeleChat-52B, rows of %i', (seqLength) => {
  const path = fileURLToPath(
    new URL(`../../../../shared/golden/dataprep/telechat52b_packed_${seqLength}.json`, import.meta.url),
  );
  const tokenizer = sharedData('tokenizers/telechat-52b');
  const dialogues = ['telechat_multi_turn', 'telechat_single_turn'].map((name) =>
    sharedData(`sft/${name}.jsonl`),
  );
  const isThere = existsSync(path) && tokenizer !== undefined && !dialogues.includes(undefined);

  const needed = requires(
    isThere,
    `../shared lacks the golden rows of ${seqLength}, their tokenizer or dialogues`,
  );
  test('rows, masks, records and dropped records', needed, async () => {
    const golden = JSON.parse(readFileSync(path, 'utf8')) as TelechatRows;
    // The records of the golden in its order, one a line.
    const lines = new Map(
      ['telechat_multi_turn.jsonl', 'telechat_single_turn.jsonl'].map((name, index) => [
        name,
        readFileSync(dialogues[index] ?? '', 'utf8').split('\n'),
      ]),
    );
    const input = join(folder, `telechat-${seqLength}.jsonl`);
    writeFileSync(input, golden.source.map(({ file, line }) => `${lines.get(file)?.[line]}\n`).join(''));
    const { rows, output } = await prepare({
      form: 'telechat',
      recipe: 'telechat52b-sft',
      tokenizer: tokenizer ?? '',
      seqLength,
      inputs: [input],
    });
    expect(rows.map(({ lines: numbers }) => numbers.map((line) => line - 1))).toEqual(
      golden.rows.map(({ records }) => records),
    );
    expect(rows.map(({ ids }) => ids)).toEqual(golden.rows.map(({ input_ids }) => input_ids));
    expect(rows.map(({ mask }) => mask)).toEqual(golden.rows.map(({ loss_mask }) => loss_mask));
    const dropped = skippedLines(output);
    expect(dropped.map(({ line }) => line - 1)).toEqual(golden.dropped_records);
    for (const [index, { reason }] of dropped.entries()) {
      expect(reason).toBe('longer than a row');
      const record = golden.dropped_records[index] ?? 0;
      const text = readFileSync(join(output, 'skipped.jsonl'), 'utf8').split('\n')[index];
      expect(text).toContain(`has ${golden.line_token_lengths[record]} tokens`);
    }
  });
});

/** deepspeed-telechat's process(): one row after the other, each by one pass over the lines not yet used. */
function publishedRows(
  dialogues: readonly { input: string; output: string }[],
  tokenizer: Tokenizer,
  length: number,
) {
  const id = (token: string): number => tokenizer.tokenToId(token) ?? -1;
  const samples = dialogues.map(({ input, output }) => {
    const turns = input.replace(/^<_user>/, '').split('<_user>');
    const rounds = turns.map((turn, index) => {
      const [question = '', answer = output] = turn.split('<_bot>');
      return [question, index === turns.length - 1 ? output : answer] as const;
    });
    const line = rounds.map(([question, answer]) => `<_user>${question}<_bot>${answer}<_end>`).join('');
    const ids = rounds.flatMap(([question, answer]) => [
      ...[id('<_user>'), ...tokenizer.encode(question)],
      ...[id('<_bot>'), ...tokenizer.encode(answer), id('<_end>')],
    ]);
    return { size: tokenizer.encode(line).length, ids };
  });
  let pool = samples.filter(({ size }) => size < length - 10);
  const rows: number[][] = [];
  while (pool.length > 0) {
    let used = 0;
    const row = pool.filter(({ size }) => {
      if (used + size >= length - 10) return false;
      used += size;
      return true;
    });
    pool = pool.filter((sample) => !row.includes(sample));
    const ids = row.flatMap((sample) => sample.ids);
    rows.push([...new Array<number>(Math.max(0, length - ids.length)).fill(3), ...ids]);
  }
  return rows;
}

describe('TeleChat-12B', () => {
  const tokenizer = sharedData('tokenizers/telechat-12b');
  const dialogues = sharedData('sft/telechat_multi_turn.jsonl');
  test('rows of 2048 by the published loop', requiresShared(tokenizer, dialogues), async () => {
    const seqLength = 2048;
    const inputs = [dialogues ?? ''];
    const options = {
      form: 'telechat',
      recipe: 'telechat-sft',
      tokenizer: tokenizer ?? '',
      seqLength,
      inputs,
    } as const;
    const { rows } = await prepare(options);
    const records = readFileSync(inputs[0] ?? '', 'utf8')
      .trim()
      .split('\n');
    const parsed = records.map((line) => JSON.parse(line) as { input: string; output: string });
    expect(rows.map(({ ids }) => ids)).toEqual(
      publishedRows(parsed, loadTokenizer(tokenizer ?? ''), seqLength),
    );
  });
});
