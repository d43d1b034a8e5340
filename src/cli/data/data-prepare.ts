/** `xinghe data prepare`: records to rows on disk. */
import {
  type CleanOptions,
  type PrepareReport,
  packings,
  prepareDataset,
  recipeNames,
  renderReportText,
  SAMPLE_FORMS,
} from '../../data/index.js';
import { InputError } from '../../errors/index.js';
import { withLockedOutput } from '../../formats/index.js';
import { BUILT_IN_CHATS, parseTemplateValues } from '../../models/index.js';
import { chatOptions } from '../chat-options.js';
import { hubOptions, placed } from '../hub-options.js';
import { type OptionValues, parseOptions } from '../options.js';
import { isStandardInput, withInputPath } from '../standard-input.js';

const specs = {
  form: {
    kind: 'string',
    allowedValues: [...SAMPLE_FORMS, 'auto'],
    required: true,
    help: 'form of the records',
  },
  recipe: { kind: 'string', allowedValues: recipeNames, required: true, help: 'how samples become rows' },
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    required: true,
    help: 'tokenizer.json, *.model, a folder, or a .gguf',
  },
  'seq-length': { kind: 'integer', required: true, min: 1, help: 'predictions in a row (TeleChat: ids)' },
  input: {
    kind: 'strings',
    value: 'FILE…',
    place: 'data',
    help: 'json, jsonl, csv, parquet or text, .gz too; - reads stdin',
  },
  ...hubOptions,
  output: { kind: 'string', value: 'PATH', required: true, help: 'new folder, or a new file *.mindrecord' },
  format: { kind: 'string', allowedValues: ['safetensors', 'mindrecord'], help: 'default: safetensors' },
  packing: { kind: 'string', allowedValues: packings, help: 'default: as the recipe was published' },
  'parse-special': {
    kind: 'flag',
    help: 'names of special tokens in texts become these tokens; default: text',
  },
  'chat-template': {
    ...chatOptions['chat-template'],
    help: `a Jinja chat template, "model" for that beside the tokenizer, or ${BUILT_IN_CHATS.join(', ')}; default: as the recipe`,
  },
  'template-set': chatOptions['template-set'],
  answers: { kind: 'string', allowedValues: ['all', 'last'], help: 'learned answers; default: as published' },
  weights: { kind: 'string', value: 'MIX.json', help: '{path: weight} or {"phases": […]}' },
  validation: { kind: 'number', value: 'SHARE', min: 0, help: 'share of the samples held out, e.g. 0.01' },
  shuffle: { kind: 'flag', help: 'shuffle the samples before they are packed' },
  seed: { kind: 'integer', min: 0, help: 'of shuffling, weights and validation; default 42' },
  clean: { kind: 'strings', value: 'STEP…', help: 'spark, nfc, nfkc, control, spaces, blank-lines, trim' },
  'min-characters': { kind: 'integer', min: 1, help: 'leave out shorter samples' },
  'max-characters': { kind: 'integer', min: 1, help: 'leave out longer samples' },
  deduplicate: { kind: 'string', allowedValues: ['exact', 'near'], help: 'leave out repeated samples' },
  'check-contamination': {
    kind: 'strings',
    value: 'PATH…',
    help: 'report samples that hold evaluation items',
  },
  'drop-contaminated': { kind: 'flag', help: 'and leave them out' },
  'on-error': { kind: 'string', allowedValues: ['stop', 'skip'], help: 'at a faulty record; default stop' },
  workers: { kind: 'integer', min: 1, help: 'threads; default: one for each core' },
  shard: { kind: 'string', value: 'K/N', help: 'the K-th of N machines; then xinghe data merge' },
  overwrite: { kind: 'flag', help: 'exchange an output that is there' },
  json: { kind: 'flag', help: 'print the report as JSON on stdout' },
} as const;

type PrepareCommandOptions = OptionValues<typeof specs>;

export async function dataPrepare(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe data prepare',
        summary: 'records to rows on disk, by a published recipe',
        notes:
          'Every record is in a row or in skipped.jsonl with its reason. The same options and files give the same bytes, ' +
          'whatever the number of threads. docs/data.md tells of recipes, mixtures and the files written.',
      },
      specs,
      args,
    ),
  );
  const report = await withLockedOutput(options.output, () =>
    options.input.some(isStandardInput)
      ? withInputPath('-', (path) => prepareByOptions(withStandardInput(options, path)))
      : prepareByOptions(options),
  );
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : renderReportText(report));
  return 0;
}

/** @param path of what came on stdin; it can be read once only */
function withStandardInput(options: PrepareCommandOptions, path: string): PrepareCommandOptions {
  if (options.input.filter(isStandardInput).length > 1)
    throw new InputError('xinghe data prepare: --input - is given twice; stdin comes once');
  return { ...options, input: options.input.map((input) => (isStandardInput(input) ? path : input)) };
}

function prepareByOptions(options: PrepareCommandOptions): Promise<PrepareReport> {
  return prepareDataset({
    form: options.form,
    recipe: options.recipe,
    tokenizer: options.tokenizer,
    seqLength: options['seq-length'],
    inputs: options.input,
    output: options.output,
    container: options.format,
    packing: options.packing,
    answers: options.answers,
    parsesSpecial: options['parse-special'],
    chatTemplate: options['chat-template'],
    templateValues: parseTemplateValues(options['template-set']),
    weights: options.weights,
    validation: options.validation,
    shuffle: options.shuffle,
    seed: options.seed,
    clean: parseClean(options.clean, options['min-characters'], options['max-characters']),
    deduplicate: options.deduplicate,
    contamination: options['check-contamination'],
    dropContaminated: options['drop-contaminated'],
    onError: options['on-error'],
    workers: options.workers,
    shard: parseShard(options.shard),
    overwrite: options.overwrite,
  });
}

function parseShard(text: string | undefined): { index: number; count: number } | undefined {
  if (text === undefined) return undefined;
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  if (index === undefined || count === undefined)
    throw new InputError(`xinghe data prepare: --shard is "${text}"; give K/N, e.g. 2/8`);
  return { index: Number(index), count: Number(count) };
}

function parseClean(
  steps: readonly string[],
  minLength: number | undefined,
  maxLength: number | undefined,
): CleanOptions | undefined {
  if (steps.length === 0 && minLength === undefined && maxLength === undefined) return undefined;
  let clean: CleanOptions = { minLength, maxLength };
  for (const step of steps) clean = { ...clean, ...cleanStep(step) };
  return clean;
}

function cleanStep(step: string): CleanOptions {
  switch (step) {
    case 'spark':
      return { spark: true };
    case 'nfc':
      return { unicode: 'NFC' };
    case 'nfkc':
      return { unicode: 'NFKC' };
    case 'control':
      return { controlCharacters: true };
    case 'spaces':
      return { fullWidthSpaces: true };
    case 'blank-lines':
      return { blankLines: true };
    case 'trim':
      return { trim: true };
    default:
      throw new InputError(
        `xinghe data prepare: --clean has no step "${step}"; there are ${specs.clean.help}`,
      );
  }
}
