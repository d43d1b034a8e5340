/** Answers questions through one engine: what `generate` and `run` have in common. */
import { InputError } from '../errors/index.js';
import {
  type Answer,
  answerQuestions,
  cacheBytesPerToken,
  type ModelRanks,
  type Question,
  TextEngine,
  type TextRequest,
} from '../generation/index.js';
import { Progress } from '../log/index.js';
import type { LoadedModel } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { availableBytes } from '../training/index.js';
import { nameStandardInput } from './standard-input.js';

export interface AnswerBatch {
  readonly loaded: LoadedModel;
  /** That share the model. */
  readonly ranks?: ModelRanks | undefined;
  readonly tokenizer: Tokenizer;
  readonly questions: readonly Question[];
  /** Questions before this one have their answers. Default 0. */
  readonly first?: number;
  /** @throws InputError for a question that cannot be asked; the others go on */
  readonly request: (question: Question, index: number) => TextRequest;
  /** Of an answer, for the room of the cache. */
  readonly maxNewTokens: number;
  /** Questions at the same time. */
  readonly parallel: number;
  readonly beams?: number | undefined;
  readonly maxDrafts?: number | undefined;
  readonly kvDType?: 'int8' | undefined;
  /** Are questions, tokens and their rate shown as they grow? Default true. */
  readonly showsProgress?: boolean;
  readonly onAnswer: (index: number, answer: Answer) => void;
  readonly onPiece?: (index: number, text: string) => void;
}

export interface AnswerCounts {
  readonly tokens: number;
  /** Without an answer. */
  readonly failed: number;
}

/** @throws InterruptedError after a signal; answers given until then have been handed on */
export async function answerBatch(batch: AnswerBatch): Promise<AnswerCounts> {
  const { loaded, tokenizer, questions, first = 0 } = batch;
  const requests = questions.map((question, index) => attempt(() => batch.request(question, index)));
  const engine = new TextEngine(loaded.model, tokenizer, {
    cacheTokens: cacheTokens(batch, requests.slice(first)),
    maxSequences: batch.parallel,
    maxDrafts: batch.maxDrafts ?? 0,
    kvDType: batch.kvDType,
  });
  const progress =
    batch.showsProgress === false
      ? undefined
      : new Progress({ label: 'questions', unit: 'question', total: questions.length });
  const counts = { tokens: 0, failed: 0, done: first };
  try {
    await answerQuestions(engine, {
      count: questions.length,
      first,
      request: (index) => given(requests[index])(),
      onAnswer(index, answer) {
        counts.done += 1;
        counts.tokens += answer.end?.generatedTokens ?? 0;
        if (answer.error !== undefined) counts.failed += 1;
        batch.onAnswer(index, answer);
      },
      onPiece: batch.onPiece,
      onProgress: () =>
        progress?.update(
          counts.done,
          `${(engine.stats.generatedTokens / progress.seconds).toFixed(1)} tokens/s`,
        ),
    });
    progress?.finish();
  } finally {
    engine.dispose();
  }
  return counts;
}

/** The request, or what is wrong with the question: said when its turn comes, so that the others are asked all the same. */
function attempt(make: () => TextRequest): () => TextRequest {
  try {
    const request = make();
    return () => request;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return () => {
      throw error;
    };
  }
}

function given<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new RangeError('a question that is not there');
  return value;
}

/** A cache that takes all free memory leaves none for the computation. */
const CACHE_SHARE = 0.7;

/** Room for the longest questions that run together, as far as they fit the model and the memory; the engine refuses others. */
function cacheTokens(
  { loaded: { model }, ranks, maxNewTokens, parallel, beams = 1 }: AnswerBatch,
  requests: readonly (() => TextRequest)[],
): number {
  const bound = model.shape.maxPositions ?? Number.POSITIVE_INFINITY;
  // Of an accelerator's memory nothing is known here.
  const free = model.device === 'cpu' ? availableBytes() / (ranks?.localSize ?? 1) : Number.POSITIVE_INFINITY;
  const affordable = Math.floor((free * CACHE_SHARE) / cacheBytesPerToken(model));
  const lengths = requests
    .flatMap(promptLength)
    .filter((length) => length <= bound)
    .map((length) => length + maxNewTokens + 64)
    .filter((length) => length <= affordable)
    .sort((a, b) => b - a);
  const together = lengths.slice(0, parallel);
  const wished = together.reduce((sum, length) => sum + length, 0) * beams;
  return Math.max(64, Math.min(wished, affordable));
}

function promptLength(request: () => TextRequest): number[] {
  try {
    return [request().promptIds.length];
  } catch {
    return []; // Said when its turn comes.
  }
}

/** As Spark's predict mode writes it; details on request. */
export function publishedAnswer(
  { text, end, error }: Answer,
  question: Question | undefined,
  details = false,
): object {
  if (error !== undefined) {
    const { source = '' } = question ?? {};
    const message = error.message.startsWith(source) ? error.message : `${source}: ${error.message}`;
    return { predict: null, error: nameStandardInput(message) };
  }
  if (!details || end === undefined) return { predict: text };
  return {
    predict: text,
    finish_reason: end.finishReason,
    prompt_tokens: end.promptTokens,
    completion_tokens: end.generatedTokens,
  };
}
