/** `xinghe run --run_mode predict`: questions to the model, one `{"predict": …}` a line for each. */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type PublishedGeneration, type PublishedRun, refuseMissing } from '../../compat/index.js';
import { heartbeat, rankEnvironment, World } from '../../distributed/index.js';
import { InputError, InterruptedError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { AnswerFile, type Question, readQuestions, type TextRequest } from '../../generation/index.js';
import { log } from '../../log/index.js';
import { configValue, type LoadedModel, loadModelTokenizer } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { answerBatch, publishedAnswer } from '../answer-batch.js';
import { OrderedOutput } from '../ordered-output.js';
import type { ModeRun } from './run.js';
import { loadPublishedModel, weightsOf } from './run-model.js';

/** The published default of predict_length. */
const DEFAULT_LENGTH = 512;
/** Questions of a rank between two meetings of all, at least. */
const TURN = 16;
const RESULTS = 'predict_results.jsonl';

export async function runPredict({ published, options }: ModeRun): Promise<number> {
  const { config: source } = options;
  refuseMissing(published, source);
  const { template } = published.generation;
  if (template !== undefined && template.split('{}').length !== 2)
    throw new InputError(
      `${source}: prompt ${JSON.stringify(template)} needs {} once, where the question goes, as in '<User> {}<end><Bot> '.`,
    );
  const questions = await questionsOf(published.generation, source);
  const output = options.output ?? join(String(published.train.output), RESULTS);
  refuseOutput(output, published.generation);
  const environment = rankEnvironment();
  const world = environment === undefined || environment.size === 1 ? undefined : World.join(environment);
  try {
    world?.agree('the questions and how they are asked', fingerprintOf(published, questions));
    const asked = new Prediction({ published, options }, questions, output, world);
    return await asked.run();
  } finally {
    world?.leave();
  }
}

class Prediction {
  readonly #published: PublishedRun;
  readonly #options: ModeRun['options'];
  readonly #questions: readonly Question[];
  readonly #output: string;
  /** undefined: this process alone. */
  readonly #world: World | undefined;

  constructor(
    { published, options }: ModeRun,
    questions: readonly Question[],
    output: string,
    world: World | undefined,
  ) {
    this.#published = published;
    this.#options = options;
    this.#questions = questions;
    this.#output = output;
    this.#world = world;
  }

  async run(): Promise<number> {
    const { model } = this.#published;
    const { config: source } = this.#options;
    const loaded = loadPublishedModel(model, source);
    try {
      const tokenizer = loadModelTokenizer(loaded.architecture, model.tokenizer ?? weightsOf(model));
      const request = requestsOf(this.#published, loaded, tokenizer);
      const results = this.#isFirst ? this.#openResults() : undefined;
      try {
        const first = Number(this.#tellFirst(results && String(results.written)));
        if (results !== undefined && first > 0)
          log(`${this.#output}: ${first} of ${this.#questions.length} answers are there; going on`);
        const failed = await this.#answerFrom(first, { loaded, tokenizer, request }, results);
        results?.finish();
        if (this.#isFirst)
          log(
            `${this.#questions.length - first} questions; the answers are in ${this.#output}` +
              `${failed === 0 ? '' : `; ${failed} without an answer (see their "error")`}`,
          );
        return 0;
      } finally {
        results?.close();
      }
    } finally {
      loaded.model.dispose();
    }
  }

  get #isFirst(): boolean {
    return this.#world?.isFirst !== false;
  }

  #tellFirst(text: string | undefined): string {
    return this.#world === undefined ? (text ?? '0') : this.#world.tell(text);
  }

  #openResults(): AnswerFile {
    mkdirSync(dirname(this.#output), { recursive: true });
    const isNamed = this.#options.output !== undefined;
    // A whole file of this name is that of an earlier run, which the published program would replace too.
    const isWhole =
      fileStatus(this.#output) !== undefined && fileStatus(`${this.#output}.unfinished`) === undefined;
    if (isWhole && !isNamed && !this.#options.overwrite)
      log(
        `note: ${this.#output} held the answers of an earlier run, which these replace (--output FILE keeps both)`,
      );
    return new AnswerFile(this.#output, {
      fingerprint: fingerprintOf(this.#published, this.#questions),
      questions: this.#questions.length,
      overwrite: this.#options.overwrite || (isWhole && !isNamed),
    });
  }

  /** @returns how many got no answer */
  async #answerFrom(first: number, parts: AskedParts, results: AnswerFile | undefined): Promise<number> {
    return this.#world === undefined
      ? await this.#answerAlone(first, parts, results)
      : await this.#answerTogether(first, parts, this.#world, results);
  }

  async #answerAlone(first: number, parts: AskedParts, results: AnswerFile | undefined): Promise<number> {
    const print = new OrderedOutput(this.#questions.length, first, this.#published.generation.stream);
    try {
      const { failed } = await answerBatch({
        ...parts,
        questions: this.#questions,
        first,
        ...this.#sizes(),
        showsProgress: !this.#published.generation.stream,
        onPiece: (index, text) => print.piece(index, text),
        onAnswer: (index, answer) => {
          const line = publishedAnswer(answer, this.#questions[index]);
          results?.add(index, line);
          print.answer(index, line);
        },
      });
      return failed;
    } catch (error) {
      if (error instanceof InterruptedError)
        throw new InterruptedError(
          `${error.message}; ${this.#output} has the answers so far, the same command goes on from there`,
        );
      throw error;
    }
  }

  /** Every rank has the whole model and answers a share of each round; rank 0 writes them in order. */
  async #answerTogether(
    first: number,
    parts: AskedParts,
    world: World,
    results: AnswerFile | undefined,
  ): Promise<number> {
    const { batchSize, stream } = this.#published.generation;
    if (world.isFirst) {
      log(`${world.size} ranks, each with the whole model, share the questions`);
      if (stream) log('note: streamer: answers of several ranks are printed when they are whole');
    }
    const share = Math.max(TURN, batchSize);
    const print = new OrderedOutput(this.#questions.length, first, false);
    let failed = 0;
    for (let start = first; start < this.#questions.length; start += share * world.size) {
      const from = start + world.rank * share;
      const own = this.#questions.slice(from, from + share);
      const lines = new Map<number, object>();
      const counts = await answerBatch({
        ...parts,
        request: (question, index) => parts.request(question, from + index),
        questions: own,
        ...this.#sizes(),
        showsProgress: world.isFirst,
        onAnswer: (index, answer) => lines.set(from + index, publishedAnswer(answer, own[index])),
      });
      failed += counts.failed;
      heartbeat({ step: Math.min(from + share, this.#questions.length), phase: 'predict' });
      for (const text of world.collect(JSON.stringify([...lines])))
        for (const [index, line] of parseLines(text)) {
          results?.add(index, line);
          print.answer(index, line);
        }
    }
    const all = world.collect(String(failed));
    return all.reduce((sum, count) => sum + Number(count), 0);
  }

  #sizes(): { readonly maxNewTokens: number; readonly parallel: number } {
    const { maxNewTokens = DEFAULT_LENGTH, batchSize } = this.#published.generation;
    return { maxNewTokens, parallel: batchSize };
  }
}

interface AskedParts {
  readonly loaded: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly request: (question: Question, index: number) => TextRequest;
}

function parseLines(text: string): [index: number, line: object][] {
  const lines: unknown = JSON.parse(text);
  if (!Array.isArray(lines)) throw new TypeError('a rank sent no list of answers');
  return lines.map((entry: unknown) => {
    if (!Array.isArray(entry)) throw new TypeError('a rank sent no answer');
    return [Number(entry[0]), Object(entry[1])];
  });
}

/** @throws InputError for what is neither a file nor a list, and as `readQuestions` */
async function questionsOf({ questions }: PublishedGeneration, source: string): Promise<Question[]> {
  if (typeof questions === 'string') {
    if (fileStatus(questions) === undefined && !(questions.startsWith('[') && questions.endsWith(']')))
      throw new InputError(
        `${source}: predict_data: ${JSON.stringify(questions)} is no file that is there; give a .json or .jsonl file with ` +
          '{"input": …} a line, or the questions themselves as "[q1##q2]".',
      );
    return await readQuestions(questions);
  }
  return (questions ?? []).map((content, index, all) => {
    const place = `${source}: predict_data: question ${index + 1} of ${all.length}`;
    if (content.trim() === '') throw new InputError(`${place} is empty.`);
    return { source: place, content };
  });
}

function refuseOutput(output: string, { questions }: PublishedGeneration): void {
  if (typeof questions === 'string' && resolve(output) === resolve(questions))
    throw new InputError(
      `xinghe run: ${output} is the file of the questions; name another with --output FILE.`,
    );
  if (fileStatus(output)?.isDirectory() === true)
    throw new InputError(`xinghe run: ${output} is a folder; name a file with --output FILE.`);
}

/** How a question is asked: the template around it, the end tokens of run file and model, greedily unless do_sample is true. */
function requestsOf(
  { generation, model: { config }, train }: PublishedRun,
  { model, architecture }: LoadedModel,
  tokenizer: Tokenizer,
): AskedParts['request'] {
  const { template, maxNewTokens, maxLength, sampling } = generation;
  const seed = typeof train.seed === 'number' ? { seed: train.seed } : {};
  const stopTokenIds = [...new Set([...architecture.eosTokenIds, ...endTokensOf(config)])];
  return ({ content, tools }, index) => {
    if (content instanceof Error) throw content;
    const promptIds =
      typeof content === 'string'
        ? tokenizer.encode(template?.replace('{}', () => content) ?? content, { addSpecialTokens: true })
        : architecture.chat.renderPrompt(content, tokenizer, { tools });
    const room = Math.min(
      (model.shape.maxPositions ?? Number.POSITIVE_INFINITY) - promptIds.length,
      (maxLength ?? Number.POSITIVE_INFINITY) - promptIds.length,
    );
    return {
      promptIds,
      // Only a number that was asked for can be too much.
      maxNewTokens: maxNewTokens ?? Math.max(1, Math.min(DEFAULT_LENGTH, room)),
      sampling: { ...sampling, ...((sampling.temperature ?? 0) > 0 && seed) },
      sequenceIndex: index, // With one seed every question still draws from a stream of its own.
      stopTokenIds,
    };
  };
}

/** eos_token_id of model.model_config, wherever the family keeps it. */
function endTokensOf(config: unknown): number[] {
  const section = configValue(configValue(config, 'model'), 'model_config');
  const id = configValue(section, 'eos_token_id') ?? configValue(config, 'eos_token_id');
  return typeof id === 'number' ? [id] : [];
}

/** What decides the answers: changes of it must not continue an older file. */
function fingerprintOf({ model, generation, train }: PublishedRun, questions: readonly Question[]): string {
  const { batchSize: _, stream: __, questions: ___, ...asking } = generation;
  const { weights, tokenizer, dtype, lora, base, config } = model;
  const contents = questions.map(({ content }) => (content instanceof Error ? null : content));
  return createHash('sha256')
    .update(JSON.stringify([weights, tokenizer, dtype, lora, base, config, asking, train.seed, contents]))
    .digest('hex');
}
