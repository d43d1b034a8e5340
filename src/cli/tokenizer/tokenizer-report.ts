/** `xinghe tokenizer report`: how many tokens a tokenizer needs for texts, by kind of writing and by file. */
import { openTokenizer } from '../../models/index.js';
import {
  type FertilityCounts,
  FertilityMeter,
  fertilityRates,
  readTexts,
  TEXT_KINDS,
} from '../../tokenizers/index.js';
import { hubOptions, placed } from '../hub-options.js';
import { parseOptions } from '../options.js';

const specs = {
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    required: true,
    help: 'tokenizer.json, *.model, a folder, or a .gguf',
  },
  input: {
    kind: 'strings',
    value: 'FILE…',
    place: 'data',
    required: true,
    help: '.txt (a text a line) or .jsonl, also .gz',
  },
  ...hubOptions,
  field: { kind: 'string', value: 'NAME', help: 'key of the text in JSON lines (text)' },
  json: { kind: 'flag', help: 'print one JSON document' },
} as const;

export async function tokenizerReport(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe tokenizer report',
        summary:
          'tokens per character and word, bytes per token, unknown tokens; by kind of writing and by file',
      },
      specs,
      args,
    ),
  );
  const tokenizer = openTokenizer(options.tokenizer);
  const all = new FertilityMeter(tokenizer);
  const files: { name: string; counts: FertilityCounts }[] = [];
  for (const name of options.input) {
    const before = all.counts();
    for await (const text of readTexts(name, options.field)) all.add(text);
    files.push({ name, counts: difference(all.counts(), before) });
  }
  const entry = (counts: FertilityCounts) => ({ ...counts, ...fertilityRates(counts) });
  const writings = TEXT_KINDS.map((writing) => [writing, entry(all.counts(writing))] as const);
  const total = entry(all.counts());
  if (options.json) {
    const result = {
      tokenizer: options.tokenizer,
      vocab_size: tokenizer.vocabSize,
      total,
      writings: Object.fromEntries(writings),
      files: files.map(({ name, counts }) => ({ file: name, ...entry(counts) })),
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  }
  const rows = [
    ...writings.map(([writing, counts]) => [writing.replaceAll('_', ' '), counts] as const),
    ...files.map(({ name, counts }) => [name, entry(counts)] as const),
    ['all', total] as const,
  ];
  process.stdout.write(`${formatTable(rows)}\n`);
  return 0;
}

function difference(now: FertilityCounts, before: FertilityCounts): FertilityCounts {
  return {
    characters: now.characters - before.characters,
    bytes: now.bytes - before.bytes,
    words: now.words - before.words,
    tokens: now.tokens - before.tokens,
    unknown: now.unknown - before.unknown,
  };
}

type Row = readonly [name: string, counts: FertilityCounts & ReturnType<typeof fertilityRates>];

function formatTable(rows: readonly Row[]): string {
  const table = [
    ['', 'characters', 'tokens', 'tokens/character', 'tokens/word', 'bytes/token', 'unknown'],
    ...rows.map(([name, counts]) => [
      name,
      String(counts.characters),
      String(counts.tokens),
      counts.tokens_per_character.toFixed(4),
      counts.tokens_per_word.toFixed(4),
      counts.bytes_per_token.toFixed(4),
      `${(counts.unknown_rate * 100).toFixed(3)} %`,
    ]),
  ];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join('  '),
    )
    .join('\n');
}
