/**
 * For random records in any form and file: what goes into the preparation of data comes out as what is learned, in order, or is
 * counted and named with its line. What is expected is worked out here from the meaning of a record, not from its spelling.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, expect, test, vi } from 'vitest';
import { openDataset, prepareDataset } from '../src/data/index.js';
import { loadTokenizer } from '../src/tokenizers/index.js';
import { goldenFolder } from './support/golden.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-records-'));
afterAll(() => rmSync(folder, { recursive: true }));
vi.spyOn(process.stderr, 'write').mockReturnValue(true);

/** Of bytes, so that every text is again what it was. */
const tokenizerFolder = `${goldenFolder}tokenizers/bbpe_gpt2`;
const tokenizer = loadTokenizer(tokenizerFolder);

type Form = 'messages' | 'sharegpt' | 'alpaca' | 'telechat' | 'text';
type Format = 'jsonl' | 'json' | 'parquet' | 'csv';

interface Turn {
  readonly question: string;
  readonly answer: string;
  /** What a key of the turn says. */
  readonly isLearned: boolean | undefined;
}

interface Meaning {
  readonly system: string | undefined;
  readonly turns: readonly [Turn, ...Turn[]];
  /** What a key of the record says of all its answers. */
  readonly isLearned: boolean | undefined;
  readonly key: string;
  readonly unread: readonly string[];
  readonly flaw: Flaw;
  /** Of the turn with the flaw. */
  readonly at: number;
}

const FLAWS = [
  'none',
  'blank answer',
  'null answer',
  'half a character',
  'tool',
  'role',
  'type',
  'contradiction',
  'marker',
] as const;
type Flaw = (typeof FLAWS)[number];

/** Those that a form can spell. */
const FLAWS_OF: Readonly<Record<Form, readonly Flaw[]>> = {
  messages: FLAWS.filter((flaw) => flaw !== 'marker'),
  sharegpt: FLAWS.filter((flaw) => flaw !== 'marker'),
  alpaca: ['none', 'blank answer', 'null answer', 'half a character', 'type', 'contradiction'],
  telechat: ['none', 'blank answer', 'null answer', 'half a character', 'type', 'contradiction', 'marker'],
  text: ['none', 'blank answer', 'null answer', 'half a character', 'type', 'contradiction'],
};
/** A column has one type, and text in UTF-8 no halves of characters. A table of texts has no null, and its keys say nothing. */
const FLAWS_OF_FORMAT: Readonly<Record<Format, readonly Flaw[]>> = {
  jsonl: FLAWS,
  json: FLAWS,
  parquet: ['none', 'blank answer', 'null answer', 'tool', 'role', 'contradiction', 'marker'],
  csv: ['none', 'blank answer', 'marker'],
};
const REASONS: Readonly<Partial<Record<Flaw, string>>> = {
  'half a character': 'lone surrogate',
  tool: 'tool calls',
  role: 'unknown role',
  type: 'wrong type',
  contradiction: 'what is learned',
  marker: 'marker in a text',
};

/** Has it its own keys for turns, a system message? */
const hasTurns = (form: Form): form is 'messages' | 'sharegpt' => form === 'messages' || form === 'sharegpt';

/** What is learned of a record, or why it is left out. */
function expected(form: Form, meaning: Meaning): readonly string[] | string {
  const { turns, isLearned, flaw, at } = meaning;
  const reason = REASONS[flaw];
  if (reason !== undefined) return reason;
  const blank = flaw === 'blank answer' || flaw === 'null answer';
  const learned = turns
    .map((turn, index) => ({ ...turn, answer: blank && index === at ? '' : turn.answer }))
    .filter((turn) => ((hasTurns(form) ? turn.isLearned : undefined) ?? isLearned) !== false);
  if (learned.length === 0 || learned.some(({ answer }) => answer === '')) return 'nothing to learn';
  return learned.map(({ answer }) => answer);
}

type Fields = Record<string, unknown>;

/** The turn with a flaw that lies in its texts; the others are a form's to spell. */
function flawed({ question, answer }: Turn, flaw: Flaw): { question: unknown; answer: unknown } {
  switch (flaw) {
    case 'blank answer':
      return { question, answer: question.length % 2 === 0 ? '' : ' \n' };
    case 'null answer':
      return { question, answer: null };
    case 'half a character':
      return { question: `${question}\ud83d`, answer };
    case 'type':
      return { question: 5, answer };
    case 'marker':
      return { question, answer: `${answer}<_end>${answer}` };
    case 'none':
    case 'tool':
    case 'role':
    case 'contradiction':
      return { question, answer };
  }
}

/** The record as a form spells it; a flaw is put where its turn is. */
function spell(form: Form, meaning: Meaning): Fields {
  const { system, turns, isLearned, key, unread, flaw, at } = meaning;
  const parts = turns.map((turn, index) => (index === at ? flawed(turn, flaw) : turn));
  const keys: Fields = {
    ...(isLearned !== undefined && { [key]: isLearned }),
    ...(flaw === 'contradiction' && !hasTurns(form) && { weight: 1, train: false }),
    ...Object.fromEntries(unread.map((name) => [name, `of ${name}`])),
  };
  const last = parts.at(-1);
  const before = parts.slice(0, -1);
  switch (form) {
    case 'messages':
    case 'sharegpt': {
      const [from, value] = form === 'messages' ? ['role', 'content'] : ['from', 'value'];
      const [user, assistant] = form === 'messages' ? ['user', 'assistant'] : ['human', 'gpt'];
      const list = parts.flatMap(({ question, answer }, index) => {
        const said = turns[index]?.isLearned;
        const isFlawed = index === at;
        return [
          {
            [from]: isFlawed && flaw === 'tool' ? 'tool' : isFlawed && flaw === 'role' ? 'narrator' : user,
            [value]: question,
          },
          {
            [from]: assistant,
            [value]: answer,
            ...(said !== undefined && { [key]: said }),
            ...(isFlawed && flaw === 'contradiction' && { weight: 1, train: false }),
          },
        ];
      });
      const first =
        system === undefined || form === 'sharegpt' ? [] : [{ [from]: 'system', [value]: system }];
      return {
        ...keys,
        [form === 'messages' ? 'messages' : 'conversations']: [...first, ...list],
        ...(system !== undefined && form === 'sharegpt' && { system }),
      };
    }
    case 'alpaca':
      return {
        ...keys,
        ...(before.length > 0 && { history: before.map(({ question, answer }) => [question, answer]) }),
        instruction: last?.question,
        output: last?.answer,
        ...(system !== undefined && { system }),
      };
    case 'telechat': {
      const history = before
        .map(({ question, answer }) => `<_user>${question}<_bot>${answer}<_end>`)
        .join('');
      return {
        ...keys,
        input:
          typeof last?.question === 'number' ? last.question : `${history}<_user>${last?.question}<_bot>`,
        output: last?.answer,
      };
    }
    case 'text':
      return {
        ...keys,
        text: flaw === 'type' ? 5 : flaw === 'half a character' ? last?.question : last?.answer,
      };
  }
}

let files = 0;

/** @returns the path, and the line or number of each record */
function write(format: Format, records: readonly Fields[]): { path: string; lines: number[] } {
  files += 1;
  const path = join(folder, `records-${files}.${format}`);
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  switch (format) {
    case 'jsonl':
      writeFileSync(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
      return { path, lines: records.map((_, index) => index + 1) };
    case 'json':
      writeFileSync(path, `[\n${records.map((record) => JSON.stringify(record)).join(',\n')}\n]\n`);
      return { path, lines: records.map((_, index) => index + 2) };
    case 'parquet': {
      const columnData = names.map((name): ColumnSource => {
        const data = records.map((record) => record[name] ?? null);
        const kinds = new Set(data.map((value) => (value === null ? 'null' : typeof value)));
        // As pandas writes whole numbers.
        if (kinds.has('number'))
          return { name, data: data.map((v) => (v === null ? null : BigInt(Number(v)))), type: 'INT64' };
        return {
          name,
          data,
          type: kinds.has('object') ? 'JSON' : kinds.has('boolean') ? 'BOOLEAN' : 'STRING',
        };
      });
      writeFileSync(path, new Uint8Array(parquetWriteBuffer({ columnData })));
      return { path, lines: records.map((_, index) => index + 1) };
    }
    case 'csv': {
      const quoted = (value: unknown): string => `"${String(value ?? '').replaceAll('"', '""')}"`;
      const rows = records.map((record) => names.map((name) => quoted(record[name])).join(','));
      let line = 2;
      const lines = rows.map((row) => {
        line += row.split('\n').length;
        return line - row.split('\n').length;
      });
      writeFileSync(path, `${names.map(quoted).join(',')}\n${rows.join('\n')}\n`);
      return { path, lines };
    }
  }
}

/** The texts that are learned, without their ends, row by row. */
function learnedTexts(output: string): string[] {
  const dataset = openDataset(output);
  const texts: string[] = [];
  for (let row = 0; row < dataset.rowCount; row++) {
    const { ids, lossMask } = dataset.row(row);
    let open: number[] = [];
    for (const [place, id] of [...ids, 0].entries()) {
      if (lossMask[place] === 1) open.push(id);
      else if (open.length > 0) {
        texts.push(tokenizer.decode(open.slice(0, -1), { skipSpecialTokens: false }));
        open = [];
      }
    }
  }
  dataset.close();
  return texts;
}

/** Line and reason of what was left out, by line: stages of the preparation leave out one after the other. */
function skippedRecords(output: string): string[] {
  return readFileSync(join(output, 'skipped.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): { line: number; reason: string } => JSON.parse(line))
    .sort((a, b) => a.line - b.line)
    .map(({ line, reason }) => `${line} ${reason}`);
}

/** How many records have each key that nobody reads. In a table all have those that one has; half a character hides a record. */
function unreadKeys(records: readonly Meaning[], format: Format): Record<string, number> {
  const isTable = format === 'csv' || format === 'parquet';
  const counts = new Map<string, number>();
  for (const { unread, flaw } of records)
    for (const key of flaw === 'half a character' ? [] : unread) counts.set(key, (counts.get(key) ?? 0) + 1);
  return Object.fromEntries([...counts].map(([key, count]) => [key, isTable ? records.length : count]));
}

/** Markers of other forms, quotes, line ends, characters of several bytes: all are text. */
const text = fc
  .array(
    fc.constantFrom(
      'a',
      'Zz9',
      ' ',
      '\n',
      '"',
      ',',
      '\\',
      '星河',
      'é',
      '😀',
      '<ret>',
      '</s>',
      '{"x":1}',
      '\t',
      '[INST]',
      '\u2028',
    ),
    { minLength: 1, maxLength: 6 },
  )
  .map((pieces) => `x${pieces.join('')}y`);

const unread = ['id', 'source', 'meta'] as const;

function meanings(form: Form, format: Format): fc.Arbitrary<Meaning> {
  const flaws = FLAWS_OF[form].filter((flaw) => FLAWS_OF_FORMAT[format].includes(flaw));
  const said = format === 'csv' ? fc.constant(undefined) : fc.constantFrom(undefined, undefined, true, false);
  const turn = fc.record({ question: text, answer: text, isLearned: said });
  const isSingle = form === 'text' || (format === 'csv' && form === 'alpaca');
  return fc
    .record({
      system:
        form === 'telechat' || form === 'text' ? fc.constant(undefined) : fc.option(text, { nil: undefined }),
      turns: fc
        .tuple(turn)
        .chain(([first]) =>
          fc.array(turn, { maxLength: isSingle ? 0 : 2 }).map((more): [Turn, ...Turn[]] => [first, ...more]),
        ),
      isLearned: said,
      key: fc.constantFrom('weight', 'train', 'loss'),
      unread: fc.subarray([...unread]),
      flaw: fc.oneof(
        { weight: 1, arbitrary: fc.constant<Flaw>('none') },
        { weight: 1, arbitrary: fc.constantFrom(...flaws) },
      ),
      at: fc.nat(2),
    })
    .map((meaning) => {
      // These are flaws of the last turn, or of any.
      const isOfLast = !hasTurns(form) && meaning.flaw !== 'marker' && meaning.flaw !== 'blank answer';
      const last = meaning.turns.length - 1;
      return { ...meaning, at: isOfLast ? last : Math.min(meaning.at, last) };
    });
}

const CASES: readonly (readonly [Form, Format])[] = [
  ['messages', 'jsonl'],
  ['messages', 'json'],
  ['messages', 'parquet'],
  ['sharegpt', 'jsonl'],
  ['sharegpt', 'parquet'],
  ['alpaca', 'jsonl'],
  ['alpaca', 'json'],
  ['alpaca', 'parquet'],
  ['alpaca', 'csv'],
  ['telechat', 'jsonl'],
  ['telechat', 'parquet'],
  ['telechat', 'csv'],
  ['text', 'jsonl'],
  ['text', 'json'],
  ['text', 'parquet'],
  ['text', 'csv'],
];

test.each(CASES)('%s in %s: learned in order, or counted with its line', async (form, format) => {
  const recipe = form === 'text' ? 'xverse-pretrain' : 'xverse-sft';
  await fc.assert(
    fc.asyncProperty(fc.array(meanings(form, format), { minLength: 16, maxLength: 40 }), async (found) => {
      // One that is learned: a preparation without any is refused.
      const plain: Meaning = {
        system: undefined,
        turns: [{ question: 'q', answer: 'plain', isLearned: undefined }],
        isLearned: undefined,
        key: 'weight',
        unread: [],
        flaw: 'none',
        at: 0,
      };
      const records = [...found, plain];
      const { path, lines } = write(
        format,
        records.map((meaning) => spell(form, meaning)),
      );
      const output = `${path}.rows`;
      const report = await prepareDataset({
        form,
        recipe,
        inputs: [path],
        output,
        tokenizer: tokenizerFolder,
        packing: 'none',
        seqLength: 511,
        workers: 1,
        onError: 'skip',
      });
      const outcomes = records.map((meaning) => expected(form, meaning));
      expect(learnedTexts(output)).toEqual(outcomes.filter((outcome) => typeof outcome !== 'string').flat());
      const skipped = outcomes.flatMap((outcome, index) =>
        typeof outcome === 'string' ? [`${lines[index]} ${outcome}`] : [],
      );
      expect(skippedRecords(output)).toEqual(skipped);
      expect(report.skipped.total).toBe(skipped.length);
      const counts = Object.fromEntries(report.unreadKeys.map(({ key, count }) => [key, count]));
      expect(counts).toEqual(unreadKeys(records, format));
    }),
    { seed: 20240611, numRuns: 3 },
  );
});
