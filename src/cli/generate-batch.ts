/** `xinghe generate --input questions.jsonl`: many questions, answered together, written in order. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { InputError, InterruptedError } from '../errors/index.js';
import {
  AnswerFile,
  type ModelRanks,
  type Question,
  ReorderBuffer,
  readQuestions,
  type TextRequest,
} from '../generation/index.js';
import { log } from '../log/index.js';
import { type ChatFormat, type LoadedModel, loadModelTokenizer } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { type AnswerCounts, answerBatch, publishedAnswer } from './answer-batch.js';
import { chatByOptions, chatOptions } from './chat-options.js';
import type { GenerateOptions } from './generate.js';
import { loadModelByOptions } from './model-options.js';
import type { OptionSpec } from './options.js';
import {
  beamsByOptions,
  DEFAULT_MAX_NEW_TOKENS,
  type ModelDefaults,
  samplingByOptions,
} from './sampling-options.js';

export const batchOptions = {
  output: { kind: 'string', value: 'FILE', help: 'where answers to questions go; default stdout' },
  overwrite: { kind: 'flag', help: 'begin anew where the output exists' },
  chat: { kind: 'flag', help: "ask each question in the model's chat format" },
  template: { kind: 'string', value: 'TEXT', help: 'put each question into this text, at its {}' },
  'parse-special': {
    kind: 'flag',
    help: 'with --chat: names of special tokens in messages become these tokens',
  },
  ...chatOptions,
  system: { kind: 'string', value: 'TEXT', help: 'with --chat: a system text before each question' },
  details: { kind: 'flag', help: 'answers also say finish_reason and their numbers of tokens' },
  parallel: { kind: 'integer', min: 1, help: 'questions at the same time; default 16' },
  speculate: {
    kind: 'integer',
    min: 0,
    help: 'tokens drafted from repetitions; exact, faster on repetitive text; default 0',
  },
  'kv-dtype': {
    kind: 'string',
    allowedValues: ['auto', 'int8'],
    help: 'of cached keys and values; default auto: as the model',
  },
} as const satisfies Record<string, OptionSpec>;

const DEFAULT_PARALLEL = 16;

export async function generateBatch(
  options: GenerateOptions,
  input: string,
  defaults: ModelDefaults,
  ranks: ModelRanks | undefined,
): Promise<number> {
  if (options.json)
    throw new InputError(
      'xinghe generate: --json prints choices of a prompt; questions give one JSON a line anyway',
    );
  if (options.chat && options.template !== undefined)
    throw new InputError('xinghe generate: give --chat or --template, not both');
  if (options.system !== undefined && !options.chat)
    throw new InputError('xinghe generate: --system needs --chat; other questions have no place for it');
  if (options.template !== undefined && options.template.split('{}').length !== 2)
    throw new InputError(
      `xinghe generate: --template ${JSON.stringify(options.template)} needs {} once, where the question goes`,
    );
  if (options.output !== undefined) checkOutput(options.output, input);
  const questions = await readQuestions(input);
  const answers =
    options.output === undefined
      ? undefined
      : new AnswerFile(options.output, {
          fingerprint: fingerprint(options, questions),
          questions: questions.length,
          overwrite: options.overwrite,
        });
  try {
    return await answerTo(options, questions, answers, defaults, ranks);
  } finally {
    answers?.close();
  }
}

async function answerTo(
  options: GenerateOptions,
  questions: readonly Question[],
  answers: AnswerFile | undefined,
  defaults: ModelDefaults,
  ranks: ModelRanks | undefined,
): Promise<number> {
  const first = answers?.written ?? 0;
  if (first > 0) log(`${options.output}: ${first} of ${questions.length} answers are there; going on`);
  // To a pipe or a terminal: in order too, and gone when interrupted.
  const printed = new ReorderBuffer<object>(0, (lines) => {
    for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`);
  });
  const counts = await run(options, questions, first, answers ?? printed, defaults, ranks);
  answers?.finish();
  const failed = counts.failed === 0 ? '' : `; ${counts.failed} without an answer (see their "error")`;
  log(`${questions.length - first} questions, ${counts.tokens} tokens${failed}`);
  return 0;
}

/** Before the advice to overwrite: it would take the questions. */
function checkOutput(output: string, input: string): void {
  if (resolve(output) === resolve(input))
    throw new InputError(
      `xinghe generate: --output ${output} is the file of the questions; name another file`,
    );
  if (statSync(output, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new InputError(`xinghe generate: --output ${output} is a folder; name a file`);
}

async function run(
  options: GenerateOptions,
  questions: readonly Question[],
  first: number,
  answers: { add(question: number, answer: object): void },
  defaults: ModelDefaults,
  ranks: ModelRanks | undefined,
): Promise<AnswerCounts> {
  const loaded = loadModelByOptions(options, { ranks });
  const tokenizer = loadModelTokenizer(loaded.architecture, options.tokenizer ?? options.model);
  const asking: Asking = { options, loaded, tokenizer, defaults, chat: chatByOptions(options, loaded) };
  try {
    return await answerBatch({
      loaded,
      ranks,
      tokenizer,
      questions,
      first,
      request: (question, index) => requestOf(asking, question, index),
      maxNewTokens: options['max-new-tokens'] ?? DEFAULT_MAX_NEW_TOKENS,
      parallel: options.parallel ?? DEFAULT_PARALLEL,
      beams: options.beams,
      maxDrafts: options.speculate,
      kvDType: options['kv-dtype'] === 'int8' ? 'int8' : undefined,
      onAnswer: (index, answer) =>
        answers.add(index, publishedAnswer(answer, questions[index], options.details)),
    });
  } catch (error) {
    if (error instanceof InterruptedError && options.output !== undefined)
      throw new InterruptedError(
        `${error.message}; ${options.output} has the answers so far, the same command goes on from there`,
      );
    throw error;
  }
}

interface Asking {
  readonly options: GenerateOptions;
  readonly loaded: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly defaults: ModelDefaults;
  readonly chat: ChatFormat;
}

function requestOf(
  { options, loaded: { model, architecture }, tokenizer, defaults, chat }: Asking,
  { content, tools }: Question,
  index: number,
): TextRequest {
  if (content instanceof Error) throw content;
  const isChat = options.chat || typeof content !== 'string';
  const parsesSpecial = options['parse-special'];
  const system = options.system === undefined ? [] : [{ role: 'system' as const, content: options.system }];
  const promptIds =
    typeof content !== 'string'
      ? chat.renderPrompt(content, tokenizer, { parsesSpecial, tools })
      : isChat
        ? chat.renderPrompt([...system, { role: 'user', content }], tokenizer, { parsesSpecial, tools })
        : // A function, because $& and its like mean something in a replacement text.
          tokenizer.encode(options.template?.replace('{}', () => content) ?? content, {
            addSpecialTokens: true,
          });
  const room = (model.shape.maxPositions ?? Number.POSITIVE_INFINITY) - promptIds.length;
  const ends = isChat ? chat.stopTokenIds(tokenizer) : architecture.eosTokenIds;
  return {
    promptIds,
    maxNewTokens: options['max-new-tokens'] ?? Math.max(1, Math.min(DEFAULT_MAX_NEW_TOKENS, room)),
    sampling: samplingByOptions(options, defaults),
    beams: beamsByOptions(options),
    sequenceIndex: index, // With one seed every question still draws from a stream of its own.
    stopStrings: options.stop,
    stopTokenIds: options['no-eos'] ? [] : [...new Set([...ends, ...defaults.eosTokenIds])],
  };
}

/** What decides the answers: changes of it must not continue an older file. */
function fingerprint(options: GenerateOptions, questions: readonly Question[]): string {
  const {
    output: _output,
    overwrite: _overwrite,
    parallel: _parallel,
    speculate: _speculate,
    threads: _threads,
    ...deciding
  } = options;
  return createHash('sha256')
    .update(
      JSON.stringify([deciding, questions.map(({ content }) => (content instanceof Error ? null : content))]),
    )
    .digest('hex');
}
