/** Texts and records to measure with where the user names none: of the world that the demo invents. */
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { createWorld, pretrainingDocuments } from '../../demo/index.js';
import { InputError } from '../../errors/index.js';
import { readJsonLines } from '../../formats/index.js';
import { readTexts, trainByteLevelBpeOnFiles, trainSentencePiece } from '../../tokenizers/index.js';

export interface TextsSettings {
  /** Plain text or JSON lines; empty: the demo's world. */
  readonly from: readonly string[];
  readonly to: string;
  /** They end, or are repeated, here. */
  readonly bytes: number;
}

/** One text a line. @returns how many bytes, and of how many different ones */
export async function writeTexts({
  from,
  to,
  bytes,
}: TextsSettings): Promise<{ bytes: number; ownBytes: number }> {
  const texts: string[] = [];
  let own = 0;
  const take = (text: string): boolean => {
    for (const line of text.split('\n')) {
      const trimmed = line.trim();
      if (trimmed === '' || own >= bytes) continue;
      texts.push(trimmed);
      own += Buffer.byteLength(trimmed) + 1;
    }
    return own < bytes;
  };
  if (from.length === 0) {
    // Each round tells the same facts in other words.
    for (let seed = 1; own < bytes; seed++)
      for (const text of pretrainingDocuments(createWorld({ seed, size: 'full' }), { rounds: 8 })) take(text);
  } else for (const file of from) for await (const text of readTexts(file)) if (!take(text)) break;
  if (texts.length === 0) throw new InputError(`--input: there is no text in ${from.join(', ')}.`);
  const lines = [...texts];
  let written = own;
  for (let place = 0; written < bytes; place++) {
    const line = texts[place % texts.length] ?? '';
    lines.push(line);
    written += Buffer.byteLength(line) + 1;
  }
  writeFileSync(to, `${lines.join('\n')}\n`);
  return { bytes: written, ownBytes: own };
}

export interface RecordsSettings {
  /** Records with Alpaca's or TeleChat's keys, one a line; undefined: made of the texts of the demo's world. */
  readonly from: string | undefined;
  readonly to: string;
  readonly bytes: number;
}

/** Alpaca records, each with a number of its own, repeated to the size. */
export function writeRecords({ from, to, bytes }: RecordsSettings): { records: number; bytes: number } {
  const records = from === undefined ? inventedRecords() : readRecords(from);
  const lines: string[] = [];
  let written = 0;
  for (let index = 0; written < bytes; index++) {
    const record = records[index % records.length];
    if (record === undefined) throw new InputError(`--input: there is no record in ${from}.`);
    const line = `${JSON.stringify({ ...record, instruction: `${index}. ${record.instruction}` })}\n`;
    lines.push(line);
    written += Buffer.byteLength(line);
  }
  writeFileSync(to, lines.join(''));
  return { records: lines.length, bytes: written };
}

interface AlpacaRecord {
  readonly instruction: string;
  readonly input: string;
  readonly output: string;
}

function inventedRecords(): AlpacaRecord[] {
  const texts = pretrainingDocuments(createWorld({ seed: 1, size: 'full' }), { rounds: 8 });
  return texts.map((output, index) => ({
    instruction: (texts[index + 1] ?? output).slice(0, 60),
    input: '',
    output,
  }));
}

const recordSchema = z.object({
  instruction: z.string().optional(),
  input: z.string().optional(),
  output: z.string(),
});

function readRecords(file: string): AlpacaRecord[] {
  return [...readJsonLines(file)].map(({ line, value }) => {
    const {
      instruction,
      input = '',
      output,
    } = parseConfig(recordSchema, value, { source: `${file}:${line}` });
    return {
      instruction: (instruction ?? input).replaceAll(/<_user>|<_bot>/g, '\n').trim(),
      input: instruction === undefined ? '' : input,
      output,
    };
  });
}

export interface VocabularyMaterial {
  readonly type: 'byte-level-bpe' | 'sentencepiece-bpe';
  readonly input: string;
  readonly output: string;
  readonly vocabSize: number;
}

/** XVERSE's name for the end of a text: the recipe of the records asks for it. */
const END = '<|endoftext|>';

/** A tokenizer to encode with where the user names none, learned from the texts themselves. */
export async function writeTokenizer({
  type,
  input,
  output,
  vocabSize,
}: VocabularyMaterial): Promise<object> {
  if (type === 'byte-level-bpe') {
    const trained = await trainByteLevelBpeOnFiles({ vocabSize, specialTokens: [END] }, { files: [input] });
    writeFileSync(output, JSON.stringify(trained.json));
  } else
    writeFileSync(
      output,
      (await trainSentencePiece({ algorithm: 'bpe', vocabSize }, { files: [input] })).file,
    );
  return {};
}
