/** `xinghe tokenizer train`: a vocabulary from text files. */
import { InputError } from '../../errors/index.js';
import { checkWritable, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import { log, Progress } from '../../log/index.js';
import {
  BYTE_LEVEL_NORMALIZATIONS,
  NORMALIZATIONS,
  sizeOfFiles,
  type TrainingInput,
  type TrainingProgress,
  trainByteLevelBpeOnFiles,
  trainSentencePiece,
} from '../../tokenizers/index.js';
import { type OptionValues, parseOptions } from '../options.js';

const TYPES = ['sentencepiece-bpe', 'sentencepiece-unigram', 'byte-level-bpe'] as const;
const SWITCH = ['true', 'false'] as const;

const specs = {
  type: { kind: 'string', required: true, allowedValues: TYPES, help: 'what to train' },
  'vocab-size': { kind: 'integer', min: 1, required: true, help: 'ids in all' },
  input: {
    kind: 'strings',
    value: 'FILE…',
    required: true,
    help: '.txt (a text a line) or .jsonl, also .gz',
  },
  output: { kind: 'string', value: 'FILE', required: true, help: 'the .model or tokenizer.json to write' },
  field: { kind: 'string', value: 'NAME', help: 'key of the text in JSON lines (text)' },
  workers: {
    kind: 'integer',
    min: 1,
    help: 'threads (one for each core); the result is the same for any number',
  },
  seed: { kind: 'integer', min: 0, help: 'draws the sample of --input-sentence-size (0)' },
  'input-sentence-size': {
    kind: 'integer',
    min: 1,
    help: 'learn from so many texts only, drawn at random (all)',
  },
  normalization: {
    kind: 'string',
    value: 'NAME',
    help: 'nmt_nfkc, nfkc, identity (nmt_nfkc); byte-level: identity, nfc, nfkc (identity)',
  },
  'special-tokens': { kind: 'strings', value: 'TOKEN…', help: 'control symbols; byte-level: the first ids' },
  'control-symbols': {
    kind: 'strings',
    value: 'TOKEN…',
    help: 'the same for SentencePiece, by its own name',
  },
  'user-defined-symbols': {
    kind: 'strings',
    value: 'TOKEN…',
    help: 'SentencePiece: always found whole in a text',
  },
  'character-coverage': {
    kind: 'number',
    help: 'SentencePiece: share of characters that are pieces (0.9995)',
  },
  'byte-fallback': { kind: 'flag', help: 'SentencePiece: unknown characters become bytes' },
  'split-digits': { kind: 'flag', help: 'each digit a token (byte-level: so without --pattern)' },
  'split-by-number': {
    kind: 'string',
    allowedValues: SWITCH,
    help: 'SentencePiece: digits and letters apart (true)',
  },
  'split-by-unicode-script': {
    kind: 'string',
    allowedValues: SWITCH,
    help: 'SentencePiece: scripts apart (true)',
  },
  'add-dummy-prefix': {
    kind: 'string',
    allowedValues: SWITCH,
    help: 'SentencePiece: a space before the first word (true)',
  },
  'remove-extra-whitespaces': {
    kind: 'string',
    allowedValues: SWITCH,
    help: 'SentencePiece: spaces trimmed and collapsed (true)',
  },
  'max-piece-length': { kind: 'integer', min: 1, help: 'SentencePiece: characters of a piece (16)' },
  'max-sentence-length': {
    kind: 'integer',
    min: 1,
    help: 'SentencePiece: longer lines are left out, in bytes (4192)',
  },
  'unk-id': { kind: 'integer', help: 'SentencePiece: id of <unk> (0)' },
  'bos-id': { kind: 'integer', help: 'SentencePiece: id of <s>, -1 for none (1)' },
  'eos-id': { kind: 'integer', help: 'SentencePiece: id of </s>, -1 for none (2)' },
  'pad-id': { kind: 'integer', help: 'SentencePiece: id of <pad>, -1 for none (-1)' },
  'soft-vocab-limit': { kind: 'flag', help: 'SentencePiece: fewer ids if the text gives no more' },
  'num-sub-iterations': { kind: 'integer', min: 1, help: 'unigram: rounds between two prunings (2)' },
  'seed-size': { kind: 'integer', min: 1, help: 'unigram: pieces to begin with (1000000)' },
  'shrinking-factor': { kind: 'number', help: 'unigram: share of pieces that a pruning keeps (0.75)' },
  'min-frequency': { kind: 'integer', min: 1, help: 'byte-level: rarer pairs are not merged (2)' },
  pattern: {
    kind: 'string',
    value: 'REGEX',
    help: 'byte-level: what a word is (as in Llama 3, each digit apart)',
  },
  json: { kind: 'flag', help: 'print what was made as JSON' },
} as const;

type TrainOptions = OptionValues<typeof specs>;

/** Options that only some types know. */
const SENTENCEPIECE_ONLY = [
  'control-symbols',
  'user-defined-symbols',
  'character-coverage',
  'byte-fallback',
  'split-by-number',
  'split-by-unicode-script',
  'add-dummy-prefix',
  'remove-extra-whitespaces',
  'max-piece-length',
  'max-sentence-length',
  'unk-id',
  'bos-id',
  'eos-id',
  'pad-id',
  'soft-vocab-limit',
] as const satisfies (keyof TrainOptions)[];
const UNIGRAM_ONLY = [
  'num-sub-iterations',
  'seed-size',
  'shrinking-factor',
] as const satisfies (keyof TrainOptions)[];
const BYTE_LEVEL_ONLY = ['min-frequency', 'pattern'] as const satisfies (keyof TrainOptions)[];

export async function tokenizerTrain(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe tokenizer train', summary: 'a vocabulary from text files' },
    specs,
    args,
  );
  refuseForeignOptions(options);
  return withLockedOutput(options.output, () => trainByOptions(options));
}

async function trainByOptions(options: TrainOptions): Promise<number> {
  const { type, output } = options;
  checkWritable(output);
  const progress = new TrainProgress(options.input);
  const sampleTexts = options['input-sentence-size'];
  const input: TrainingInput = {
    files: options.input,
    field: options.field,
    workers: options.workers,
    sample: sampleTexts === undefined ? undefined : { texts: sampleTexts, seed: options.seed ?? 0 },
    onProgress: progress.show,
  };
  const trained =
    type === 'byte-level-bpe' ? await trainBytes(options, input) : await trainPieces(options, input);
  progress.finish();
  writeFileAtomic(output, trained.content);
  const { texts, taken, tooLong, reserved } = trained.counted;
  log(
    `learned from ${taken} of ${texts} texts in ${progress.seconds.toFixed(1)} s: ${trained.size} ids to ${output}`,
  );
  if (tooLong > 0) log(`${tooLong} texts longer than --max-sentence-length were left out`);
  if (reserved > 0) log(`${reserved} texts with the reserved character U+2585 were left out`);
  if (options.json) {
    const result = { output, type, vocab_size: trained.size, texts, taken, too_long: tooLong, reserved };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return 0;
}

async function trainPieces(options: TrainOptions, input: TrainingInput) {
  const { file, model, counted } = await trainSentencePiece(
    {
      algorithm: options.type === 'sentencepiece-unigram' ? 'unigram' : 'bpe',
      vocabSize: options['vocab-size'],
      softVocabLimit: options['soft-vocab-limit'],
      characterCoverage: options['character-coverage'],
      byteFallback: options['byte-fallback'],
      userDefinedSymbols: options['user-defined-symbols'],
      controlSymbols: [...options['control-symbols'], ...options['special-tokens']],
      splitDigits: options['split-digits'],
      splitByNumber: options['split-by-number'] !== 'false',
      splitByUnicodeScript: options['split-by-unicode-script'] !== 'false',
      normalization: choice(options.normalization, NORMALIZATIONS),
      addDummyPrefix: options['add-dummy-prefix'] !== 'false',
      removeExtraWhitespaces: options['remove-extra-whitespaces'] !== 'false',
      maxPieceLength: options['max-piece-length'],
      maxSentenceLength: options['max-sentence-length'],
      unkId: options['unk-id'],
      bosId: options['bos-id'],
      eosId: options['eos-id'],
      padId: options['pad-id'],
      seedSize: options['seed-size'],
      numSubIterations: options['num-sub-iterations'],
      shrinkingFactor: options['shrinking-factor'],
    },
    input,
  );
  return { content: file, size: model.pieces.length, counted };
}

async function trainBytes(options: TrainOptions, input: TrainingInput) {
  const { json, counted } = await trainByteLevelBpeOnFiles(
    {
      vocabSize: options['vocab-size'],
      specialTokens: options['special-tokens'],
      minFrequency: options['min-frequency'],
      pattern: options.pattern,
      normalization: choice(options.normalization, BYTE_LEVEL_NORMALIZATIONS),
    },
    input,
  );
  return { content: `${JSON.stringify(json)}\n`, size: Object.keys(json.model.vocab).length, counted };
}

function choice<Name extends string>(name: string | undefined, names: readonly Name[]): Name | undefined {
  if (name === undefined) return undefined;
  const found = names.find((known) => known === name);
  if (found !== undefined) return found;
  throw new InputError(
    `xinghe tokenizer train: --normalization is "${name}"; give one of ${names.join(', ')}.`,
  );
}

function refuseForeignOptions(options: TrainOptions): void {
  const foreign: (keyof TrainOptions)[] = [];
  if (options.type === 'byte-level-bpe') foreign.push(...SENTENCEPIECE_ONLY, ...UNIGRAM_ONLY);
  else foreign.push(...BYTE_LEVEL_ONLY, ...(options.type === 'sentencepiece-bpe' ? UNIGRAM_ONLY : []));
  for (const name of foreign) {
    const value = options[name];
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) continue;
    throw new InputError(
      `xinghe tokenizer train: --${name} does not go with --type ${options.type}; leave it out.`,
    );
  }
  if (options['split-digits'] && options.pattern !== undefined)
    throw new InputError(
      'xinghe tokenizer train: --split-digits and --pattern exclude each other; put \\p{N} into the pattern.',
    );
}

/** Reading, then learning, each with its own line. */
class TrainProgress {
  readonly #started = performance.now();
  #stage: 'read' | 'learn' = 'read';
  #progress: Progress;

  /** Throws InputError for files that are missing. */
  constructor(files: readonly string[]) {
    this.#progress = new Progress({ label: 'reading', total: sizeOfFiles(files), unit: 'byte' });
  }

  readonly show: TrainingProgress = ({ stage, done, total }) => {
    if (stage !== this.#stage) {
      this.#progress.finish();
      this.#stage = stage;
      const unit = total === undefined ? 'round' : 'piece';
      this.#progress = new Progress({ label: 'learning', unit, ...(total !== undefined && { total }) });
    }
    this.#progress.update(done);
  };

  finish(): void {
    this.#progress.finish();
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }
}
