/** `xinghe generate`: continues a prompt or rows of ids, or answers a file of questions. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { extname, join } from 'node:path';
import { readIdsFile } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import {
  generateIds,
  generateText,
  type ModelRanks,
  type TextRequest,
  type TextResult,
} from '../generation/index.js';
import {
  holdsTokenizer,
  type LoadedModel,
  loadModelTokenizer,
  reportNonFiniteWeights,
} from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { batchOptions, generateBatch } from './generate-batch.js';
import { placed } from './hub-options.js';
import { integerOptions, loadModelByOptions, modelOptions } from './model-options.js';
import { onRanks } from './on-ranks.js';
import { type OptionValues, parseOptions } from './options.js';
import {
  beamsByOptions,
  DEFAULT_MAX_NEW_TOKENS,
  type ModelDefaults,
  readModelDefaults,
  samplingByOptions,
  samplingOptions,
  tellSampling,
} from './sampling-options.js';
import { withInputPath } from './standard-input.js';

const specs = {
  ...modelOptions,
  ...integerOptions,
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one in the model folder',
  },
  prompt: { kind: 'string', value: 'TEXT', help: 'the text to continue' },
  input: {
    kind: 'string',
    value: 'FILE',
    help: 'ids.json: rows of ids to continue (needs no tokenizer); questions.jsonl, .csv, .parquet, or "[first##second]": questions; - reads stdin',
  },
  ...batchOptions,
  ...samplingOptions,
  beams: { kind: 'integer', min: 1, help: 'beam search with this many beams' },
  'length-penalty': { kind: 'number', help: 'of beam search; above 0 prefers long answers; default 1' },
  stop: { kind: 'strings', value: 'TEXT…', help: 'end an answer before any of these texts' },
  'no-eos': { kind: 'flag', help: 'do not stop at the end token' },
  json: { kind: 'flag', help: 'print {"choices": [{"ids", "text", "finish_reason"}]} on stdout' },
} as const;

export type GenerateOptions = OptionValues<typeof specs>;

export async function generate(args: readonly string[]): Promise<number> {
  const options = await placed(
    specs,
    parseOptions(
      {
        command: 'xinghe generate',
        summary: 'continue a prompt, or answer a file of questions',
        notes:
          'With ids the choices have a text only where there is a tokenizer. Questions are {"input" | "prompt" | "question" | "text": "…"}\n' +
          'or {"messages": […]}; answers come in their order as {"predict": "…"}, to --output or stdout. An interrupted batch\n' +
          'continues when the same command is given again.',
      },
      specs,
      args,
    ),
  );
  if ((options.prompt === undefined) === (options.input === undefined))
    throw new InputError('xinghe generate: give either --prompt TEXT or --input FILE');
  if (options.prompt === '')
    throw new InputError('xinghe generate: --prompt is empty; give at least one character');
  const { input } = options;
  return onRanks(options, (ranks) =>
    input === undefined
      ? generateOrAsk(options, undefined, ranks)
      : withInputPath(input, (path) => generateOrAsk(options, path, ranks)),
  );
}

/** @param input the file of `--input` */
async function generateOrAsk(
  options: GenerateOptions,
  input: string | undefined,
  ranks: ModelRanks | undefined,
): Promise<number> {
  const defaults = readModelDefaults(options.model);
  tellSampling(options, defaults);
  if (input !== undefined && !isIdsFile(input)) return generateBatch(options, input, defaults, ranks);
  if (options.output !== undefined)
    throw new InputError(
      'xinghe generate: --output goes with questions (--input questions.jsonl); here stdout is used',
    );
  refuseQuestionsOnly(options);
  return generateDirect({ ...options, input }, defaults, ranks);
}

/** A prompt that is not asked in the way that was wanted would be answered all the same, and wrongly. */
function refuseQuestionsOnly(options: GenerateOptions): void {
  const names = [
    'overwrite',
    'chat',
    'template',
    'chat-template',
    'system',
    'details',
    'parallel',
    'speculate',
    'kv-dtype',
  ] as const;
  const name =
    options['template-set'].length > 0
      ? 'template-set'
      : names.find((each) => options[each] !== undefined && options[each] !== false);
  if (name === undefined) return;
  throw new InputError(
    `xinghe generate: --${name} goes with questions; ask one with --input "[the question]", ` +
      'or by xinghe chat --message',
  );
}

/** A .json document of rows of ids, or one on stdin; all other files are questions, among them Spark's .json of lines. */
function isIdsFile(input: string): boolean {
  if (input.startsWith('/dev/fd/'))
    return /^\s*\{\s*"(input_ids|attention_mask|loss_mask)"/.test(readHead(input));
  if (extname(input) !== '.json') return false;
  if (fileStatus(input)?.isFile() !== true) return true; // Missing: the reader of ids says so.
  return readHead(input).includes('"input_ids"');
}

/** Rows of ids name themselves in their first bytes. */
function readHead(path: string): string {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(4096);
    return head.toString('utf8', 0, readSync(file, head, 0, head.length, 0));
  } finally {
    closeSync(file);
  }
}

function generateDirect(
  options: GenerateOptions,
  defaults: ModelDefaults,
  ranks: ModelRanks | undefined,
): number {
  const loaded = loadModelByOptions(options, { ranks });
  const tokenizer = findTokenizer(options, loaded);
  const requests = readRequests(options, loaded, tokenizer, defaults);
  const streams = options.prompt !== undefined && !options.json;
  const choices: Omit<TextResult, 'text'>[] = reportNonFiniteWeights(loaded, options.model, () =>
    tokenizer === undefined
      ? generateIds(loaded.model, requests)
      : generateText(loaded.model, tokenizer, requests, (_, piece) => {
          if (streams) process.stdout.write(piece);
        }),
  );
  if (options.json) {
    const published = choices.map(({ finishReason, beams, ...choice }) => ({
      ...choice,
      finish_reason: finishReason,
      ...(beams !== undefined && {
        beams: beams.map(({ finishReason: reason, ...beam }) => ({ ...beam, finish_reason: reason })),
      }),
    }));
    process.stdout.write(`${JSON.stringify({ choices: published })}\n`);
  } else process.stdout.write(streams ? '\n' : `${choices.map(({ ids }) => ids.join(' ')).join('\n')}\n`);
  return 0;
}

/** Ids can be continued without one. */
function findTokenizer(
  { input, model, tokenizer }: GenerateOptions,
  { architecture }: LoadedModel,
): Tokenizer | undefined {
  const isThere =
    ['tokenizer.json', 'tokenizer.model'].some((name) => existsSync(join(model, name))) ||
    holdsTokenizer(model);
  if (tokenizer === undefined && input !== undefined && !isThere) return undefined;
  return loadModelTokenizer(architecture, tokenizer ?? model);
}

function readRequests(
  options: GenerateOptions,
  { model, architecture }: LoadedModel,
  tokenizer: Tokenizer | undefined,
  defaults: ModelDefaults,
): TextRequest[] {
  const { eosTokenIds, shape } = architecture;
  const rows: Pick<TextRequest, 'promptIds' | 'attentionMask'>[] = [];
  if (options.input !== undefined) {
    const { inputIds, attentionMask } = readIdsFile(options.input, shape.vocabSize, false);
    for (const [row, promptIds] of inputIds.entries())
      rows.push({ promptIds, attentionMask: attentionMask?.[row] });
  } else rows.push({ promptIds: tokenizer?.encode(options.prompt ?? '', { addSpecialTokens: true }) ?? [] });
  if (tokenizer === undefined && options.stop.length > 0)
    throw new InputError('xinghe generate: --stop needs a tokenizer; name one with --tokenizer PATH');
  const asked = options['max-new-tokens'];
  const ends = new Set([...eosTokenIds, ...defaults.eosTokenIds]);
  return rows.map((row) => {
    // Only a number that was asked for can be too much.
    const room = (model.shape.maxPositions ?? Number.POSITIVE_INFINITY) - row.promptIds.length;
    return {
      ...row,
      maxNewTokens: asked ?? Math.max(1, Math.min(DEFAULT_MAX_NEW_TOKENS, room)),
      sampling: samplingByOptions(options, defaults),
      beams: beamsByOptions(options),
      stopStrings: options.stop,
      stopTokenIds: options['no-eos'] ? [] : [...ends],
    };
  });
}
