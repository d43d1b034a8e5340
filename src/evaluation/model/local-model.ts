/** A model of ours, through the engine: beginnings that questions share (the examples of a subject, a question's options) run once. */
import { InputError, Interruption, NonFiniteError } from '../../errors/index.js';
import {
  cacheBytesPerToken,
  type SamplingParameters,
  type SequenceEnd,
  type StepEvent,
  TextEngine,
  type TextRequest,
} from '../../generation/index.js';
import type { ChatFormat, LoadedModel } from '../../models/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import type { Prompt, SamplingWish } from '../task.js';
import type {
  AnswerHooks,
  LanguageModel,
  ModelAnswer,
  ModelIdentity,
  ModelQuestion,
  ModelUsage,
  PromptForm,
} from './language-model.js';
import { type EncodedPrompt, PromptEncoder } from './prompt-encoder.js';
import { withFewerShots } from './prompt-text.js';

export interface LocalModelOptions {
  readonly loaded: LoadedModel;
  readonly tokenizer: Tokenizer;
  /** Its chat form, where it has one. */
  readonly chat?: ChatFormat | undefined;
  readonly identity: ModelIdentity;
  /** Ids that end an answer, beside those of the chat form or the family. */
  readonly stopTokenIds: readonly number[];
}

/** Memory for keys and values, unless one question alone needs more. */
const CACHE_BYTES = 2 ** 30;
const MOST_CACHE_TOKENS = 2 ** 16;
/** Questions in the engine at a time: enough for it to choose from. */
const AHEAD = 48;

export class LocalModel implements LanguageModel {
  readonly identity: ModelIdentity;
  readonly forms: readonly PromptForm[];
  readonly #engine: TextEngine;
  readonly #encoders: Readonly<Record<PromptForm, PromptEncoder>>;
  readonly #stopTokenIds: readonly number[];
  #cachedTokens = 0;
  #promptTokens = 0;
  #generatedTokens = 0;

  constructor({
    loaded: { model, architecture },
    tokenizer,
    chat,
    identity,
    stopTokenIds,
  }: LocalModelOptions) {
    this.identity = identity;
    this.forms = chat === undefined ? ['plain'] : ['chat', 'plain'];
    this.#encoders = {
      plain: new PromptEncoder(tokenizer, undefined),
      chat: new PromptEncoder(tokenizer, chat),
    };
    const ends = chat === undefined ? [] : chat.stopTokenIds(tokenizer);
    this.#stopTokenIds = [...new Set([...ends, ...architecture.eosTokenIds, ...stopTokenIds])];
    const affordable = Math.floor(CACHE_BYTES / cacheBytesPerToken(model));
    const needed = Math.min(model.shape.maxPositions ?? 4096, 8192) + 64;
    const cacheTokens = Math.max(needed, Math.min(affordable, MOST_CACHE_TOKENS));
    this.#engine = new TextEngine(model, tokenizer, { cacheTokens, maxSequences: 64 });
  }

  get usage(): ModelUsage {
    return {
      promptTokens: this.#promptTokens,
      cachedTokens: this.#cachedTokens,
      generatedTokens: this.#generatedTokens,
    };
  }

  dispose(): void {
    this.#engine.dispose();
  }

  async answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void> {
    const interruption = new Interruption();
    const open = new Map<number, OpenQuestion>();
    let next = 0;
    try {
      while (next < questions.length || open.size > 0) {
        for (; next < questions.length && open.size < AHEAD; next++) {
          const started = this.#start(next, questions[next], hooks);
          if (started !== undefined) open.set(next, started);
        }
        for (const event of this.#engine.step()) this.#take(event, open, hooks);
        interruption.check((signal) => `stopped by ${signal}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      interruption.dispose();
      for (const [index, { waiting }] of open)
        for (const part of waiting) this.#engine.cancel(`${index} ${part}`);
    }
  }

  #start(index: number, question: ModelQuestion | undefined, hooks: AnswerHooks): OpenQuestion | undefined {
    if (question === undefined) return undefined;
    for (let dropped = 0; ; dropped++) {
      const shots = question.prompt.shots.length - dropped;
      try {
        return this.#submit(index, question, withFewerShots(question.prompt, shots), dropped);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        if (shots > 0) continue;
        hooks.onUnanswerable(index, 'too long for the model', error.message);
        return undefined;
      }
    }
  }

  /** @throws InputError where the engine has no room for it */
  #submit(index: number, question: ModelQuestion, prompt: Prompt, droppedShots: number): OpenQuestion {
    const encoded = this.#encoders[question.form].prompt(prompt);
    const requests =
      question.kind === 'text'
        ? this.#textRequests(encoded, question)
        : this.#optionRequests(encoded, question);
    for (const [part, request] of requests.entries()) {
      try {
        this.#engine.submit(`${index} ${part}`, request);
      } catch (error) {
        for (let earlier = 0; earlier < part; earlier++) this.#engine.cancel(`${index} ${earlier}`);
        throw error;
      }
    }
    return new OpenQuestion(question, encoded, requests.length, droppedShots);
  }

  #textRequests(
    { ids }: EncodedPrompt,
    { form, maxNewTokens, stop, repeats = 1, sampling }: Extract<ModelQuestion, { kind: 'text' }>,
  ): TextRequest[] {
    const { maxLength } = this.#engine.limits;
    // An answer of at least some length must fit behind the prompt.
    const room = Math.max(Math.min(maxNewTokens, 32), maxLength - ids.length);
    return Array.from({ length: repeats }, (_, seed) => ({
      promptIds: ids,
      ...(sampling !== undefined && { sampling: samplingWith(sampling, seed) }),
      maxNewTokens: Math.min(maxNewTokens, room),
      stopTokenIds: this.#stopTokenIds,
      ...(form === 'plain' && { stopStrings: stop, continuesPrompt: true }),
    }));
  }

  #optionRequests(
    prompt: EncodedPrompt,
    { form, choices }: Extract<ModelQuestion, { kind: 'choices' }>,
  ): TextRequest[] {
    const encoder = this.#encoders[form];
    return choices.flatMap(({ lead = '', continuations }) => {
      const led = lead === '' ? prompt : ledPrompt(encoder, prompt, lead);
      return continuations.map((continuation): TextRequest => {
        const { context, ids } = encoder.option(led, continuation);
        return {
          promptIds: [...context, ...ids],
          maxNewTokens: 0,
          promptLogProbs: 1,
          promptLogProbsFrom: context.length,
        };
      });
    });
  }

  #take({ id, event, error }: StepEvent, open: Map<number, OpenQuestion>, hooks: AnswerHooks): void {
    const [index = 0, part = 0] = id.split(' ').map(Number);
    const question = open.get(index);
    if (question === undefined) return;
    if (event === undefined) throw error;
    question.take(part, event);
    if (event.end === undefined) return;
    this.#count(event.end);
    if (!question.end(part)) return;
    open.delete(index);
    const second = question.second();
    if (second === undefined) hooks.onAnswer(index, question.answer());
    else {
      const restarted = this.#start(index, second, hooks);
      if (restarted !== undefined) open.set(index, restarted);
    }
  }

  #count({ promptTokens, cachedTokens, generatedTokens }: SequenceEnd): void {
    this.#promptTokens += promptTokens;
    this.#cachedTokens += cachedTokens;
    this.#generatedTokens += generatedTokens;
  }
}

/** The seeds of a question are 0, 1, 2, …: the same command writes the same answers. */
function samplingWith({ temperature, topP, topK }: SamplingWish, seed: number): SamplingParameters {
  return { temperature, seed, ...(topP !== undefined && { topP }), ...(topK !== undefined && { topK }) };
}

function ledPrompt(encoder: PromptEncoder, prompt: EncodedPrompt, lead: string): EncodedPrompt {
  const { context, ids } = encoder.option(prompt, lead);
  return { text: prompt.text + lead, ids: [...context, ...ids] };
}

/** One question under way, in one request for each option or one for its text. */
class OpenQuestion {
  readonly waiting: Set<number>;
  readonly #question: ModelQuestion;
  readonly #prompt: EncodedPrompt;
  readonly #droppedShots: number;
  readonly #sums: number[];
  readonly #greedy: boolean[];
  readonly #texts: string[];

  constructor(question: ModelQuestion, prompt: EncodedPrompt, requests: number, droppedShots: number) {
    this.#question = question;
    this.#prompt = prompt;
    this.#droppedShots = droppedShots;
    this.waiting = new Set(Array.from({ length: requests }, (_, part) => part));
    this.#texts = new Array<string>(requests).fill('');
    this.#sums = new Array<number>(requests).fill(0);
    this.#greedy = new Array<boolean>(requests).fill(true);
  }

  take(part: number, { text, promptLogProbs }: NonNullable<StepEvent['event']>): void {
    this.#texts[part] = (this.#texts[part] ?? '') + text;
    for (const token of promptLogProbs ?? []) {
      if (token === null) continue;
      this.#sums[part] = (this.#sums[part] ?? 0) + token.chosen.logProb;
      if (token.top[0]?.id !== token.chosen.id) this.#greedy[part] = false;
    }
  }

  /** True when nothing of it is under way any more. */
  end(part: number): boolean {
    this.waiting.delete(part);
    return this.waiting.size === 0;
  }

  /** What is asked next, with what was written. */
  second(): ModelQuestion | undefined {
    const question = this.#question;
    if (question.kind !== 'text' || question.secondPrompt === undefined) return undefined;
    return {
      ...question,
      prompt: question.secondPrompt(this.#texts[0] ?? ''),
      secondPrompt: undefined,
      maxNewTokens: 64,
    };
  }

  answer(): ModelAnswer {
    const { text: prompt, ids } = this.#prompt;
    const common = { prompt, ids, droppedShots: this.#droppedShots };
    if (this.#question.kind === 'text')
      return {
        ...common,
        output: this.#texts[0] ?? '',
        ...(this.#texts.length > 1 && { outputs: this.#texts }),
      };
    if (this.#sums.some((sum) => Number.isNaN(sum)))
      throw new NonFiniteError('evaluation: a log-likelihood is NaN.');
    let next = 0;
    const shape = this.#question.choices.map(({ continuations }) => {
      const from = next;
      next += continuations.length;
      return [from, next] as const;
    });
    return {
      ...common,
      logLikelihoods: shape.map(([from, to]) => this.#sums.slice(from, to)),
      isGreedy: shape.map(([from, to]) => this.#greedy.slice(from, to)),
    };
  }
}
