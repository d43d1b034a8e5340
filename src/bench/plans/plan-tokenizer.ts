/** `xinghe bench tokenizer`: encoding; with a type of vocabulary the training of one. */
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { trainByteLevelBpe } from '../../tokenizers/index.js';
import type { BenchSession } from '../bench-session.js';
import type { Benchmark } from '../benchmark.js';
import { ownSide } from '../rounds/own-side.js';
import type { VocabularyType } from '../subjects/vocabulary-types.js';
import { argumentsOf, chosenPeer, type PeerChoice } from './plan-options.js';

export interface TextChoice {
  /** Plain text or JSON lines; none: the texts of the demo's invented world. */
  readonly input: readonly string[];
  readonly megabytes: number;
}

export interface EncodePlanOptions extends TextChoice, PeerChoice {
  readonly tokenizer?: string | undefined;
  readonly repetitions: number;
}

export async function planEncode(options: EncodePlanOptions, session: BenchSession): Promise<Benchmark> {
  const { against, repetitions } = options;
  const peer = chosenPeer('encode', options);
  const texts = await chosenTexts(options, session);
  const tokenizer = await chosenTokenizer(options, texts.path, session);
  const file = tokenizer.path;
  if (against === 'sentencepiece' && file.endsWith('.json'))
    throw new InputError(`--against sentencepiece reads no ${basename(file)}; give --tokenizer FILE.model.`);
  if (against === 'tokenizers' && !file.endsWith('.json'))
    throw new InputError(`--against tokenizers reads no ${basename(file)}; give --tokenizer tokenizer.json.`);
  const settings = { tokenizer: file, input: texts.path, repetitions };
  return {
    subject: 'tokenizer',
    title: `Encoding, ${tokenizer.name}, one thread`,
    settings: { megabytes: options.megabytes, repetitions },
    metrics: [{ key: 'megabytesPerSecond', title: 'speed', unit: 'MB/s of UTF-8', better: 'higher' }],
    agreements: [{ key: 'tokens', title: 'number of tokens' }],
    ours: ownSide('encode', settings),
    peer: peer?.side(argumentsOf(settings)),
    notes: [
      'Text by text, one a line, on one thread, no special tokens added; within a process the best of the repetitions counts.',
      texts.note,
    ],
    threads: 1,
  };
}

export interface VocabularyPlanOptions extends TextChoice, PeerChoice {
  readonly type: VocabularyType;
  readonly vocabSize: number;
  readonly threads: number;
}

export async function planVocabulary(
  options: VocabularyPlanOptions,
  session: BenchSession,
): Promise<Benchmark> {
  const { type, vocabSize, threads, megabytes, against } = options;
  const wanted = type === 'byte-level-bpe' ? 'tokenizers' : 'sentencepiece';
  if ((against === 'tokenizers' || against === 'sentencepiece') && against !== wanted)
    throw new InputError(`--against ${against} trains no ${type}; give --against ${wanted}.`);
  const peer = chosenPeer('vocabulary', options);
  const { path: input, note } = await chosenTexts(options, session);
  const ending = type === 'byte-level-bpe' ? 'json' : 'model';
  const [output, other] = [join(session.folder, `ours.${ending}`), join(session.folder, `theirs.${ending}`)];
  return {
    subject: `tokenizer-training-${type}`,
    title: `Training a vocabulary, ${type}, ${vocabSize} pieces of ${megabytes} MB`,
    settings: { type, 'vocab-size': vocabSize, megabytes, threads },
    metrics: [
      { key: 'trainSeconds', title: 'training', unit: 's', better: 'lower' },
      {
        key: 'bytesPerToken',
        title: 'fit to the texts',
        unit: 'bytes a token',
        better: 'higher',
        optional: true,
      },
      { key: 'peakMemoryMiB', title: 'peak memory', unit: 'MiB', better: 'lower', optional: true },
    ],
    ours: ownSide('vocabulary', { type, input, output, vocabSize, threads }),
    peer: peer?.side(
      argumentsOf({
        type,
        input,
        output: other,
        'vocab-size': vocabSize,
        threads,
        pattern: type === 'byte-level-bpe' ? wordPattern() : undefined,
      }),
    ),
    notes: [
      'Reading the texts and writing the vocabulary are in the time, the start of Node or Python is not.',
      note,
    ],
    threads,
  };
}

const trainedSchema = z.looseObject({
  pre_tokenizer: z.looseObject({
    pretokenizers: z.array(z.looseObject({ pattern: z.looseObject({ Regex: z.string() }).optional() })),
  }),
});

/** What cuts texts into words in a vocabulary of ours, for a peer that is to do the same. */
function wordPattern(): string {
  const trained = trainedSchema.parse(trainByteLevelBpe({ texts: [], vocabSize: 256 }));
  return trained.pre_tokenizer.pretokenizers[0]?.pattern?.Regex ?? '';
}

/** One text a line, so many megabytes. */
export async function chosenTexts(
  { input, megabytes }: TextChoice,
  session: BenchSession,
): Promise<{ readonly path: string; readonly note: string }> {
  for (const file of input)
    if (fileStatus(file)?.isFile() !== true) throw new InputError(`--input ${file}: there is no such file.`);
  const path = join(session.folder, 'texts.txt');
  const made = await session.make('make-texts', { from: input, to: path, bytes: megabytes * 1e6 });
  const [bytes, own] = [Number(made.bytes), Number(made.ownBytes)];
  const repeated = own < bytes ? ` (${(own / 1e6).toFixed(1)} MB, repeated)` : '';
  return {
    path,
    note:
      input.length === 0
        ? `Texts: ${(bytes / 1e6).toFixed(1)} MB of the demo's invented world, Chinese and English: few different words, so that speed is higher than on real texts.`
        : `Texts: ${(bytes / 1e6).toFixed(1)} MB of ${input.map((file) => basename(file)).join(', ')}${repeated}.`,
  };
}

async function chosenTokenizer(
  { tokenizer, against }: EncodePlanOptions,
  input: string,
  session: BenchSession,
): Promise<{ readonly path: string; readonly name: string }> {
  if (tokenizer !== undefined) {
    // Peers read files; ours a folder, too.
    const inside = ['tokenizer.json', 'tokenizer.model'].map((name) => join(tokenizer, name));
    const path = inside.find((file) => fileStatus(file)?.isFile() === true) ?? tokenizer;
    if (fileStatus(path)?.isFile() !== true)
      throw new InputError(`--tokenizer ${tokenizer}: there is no such file, or no tokenizer in the folder.`);
    // By a whole path: peers run in another folder.
    return { path: resolve(path), name: basename(tokenizer) };
  }
  const isSentencePiece = against === 'sentencepiece';
  const path = join(session.folder, isSentencePiece ? 'tokenizer.model' : 'tokenizer.json');
  const type = isSentencePiece ? 'sentencepiece-bpe' : 'byte-level-bpe';
  const vocabSize = 2000;
  await session.make('make-tokenizer', { type, input, output: path, vocabSize });
  return { path, name: `${type} of ${vocabSize} pieces` };
}
