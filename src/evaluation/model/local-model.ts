/** A model of ours, through the engine: beginnings that questions share (the examples of a subject, a question's options) run once. */
import { InputError, Interruption } from '../../errors/index.js';
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
  ModelIdentity,
  ModelQuestion,
  ModelUsage,
  PromptForm,
} from './language-model.js';
import { OpenQuestion, type PartRequest } from './open-question.js';
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
  /** Memory for keys and values, unless one question alone needs more. Default 1 GiB. */
  readonly cacheBytes?: number;
}

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
    cacheBytes = CACHE_BYTES,
  }: LocalModelOptions) {
    this.identity = identity;
    this.forms = chat === undefined ? ['plain'] : ['chat', 'plain'];
    this.#encoders = {
      plain: new PromptEncoder(tokenizer, undefined),
      chat: new PromptEncoder(tokenizer, chat),
    };
    const ends = chat === undefined ? [] : chat.stopTokenIds(tokenizer);
    this.#stopTokenIds = [...new Set([...ends, ...architecture.eosTokenIds, ...stopTokenIds])];
    const affordable = Math.floor(cacheBytes / cacheBytesPerToken(model));
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

  /** @param earlier answers to earlier turns of a dialogue */
  #start(
    index: number,
    question: ModelQuestion | undefined,
    hooks: AnswerHooks,
    earlier: readonly string[] = [],
  ): OpenQuestion | undefined {
    if (question === undefined) return undefined;
    for (let dropped = 0; ; dropped++) {
      const shots = question.prompt.shots.length - dropped;
      try {
        const prompt = withFewerShots(question.prompt, shots);
        return this.#submit(index, question, prompt, { droppedShots: dropped, earlier });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        if (shots > 0) continue;
        hooks.onUnanswerable(index, 'too long for the model', error.message);
        return undefined;
      }
    }
  }

  /** @throws InputError where the engine has no room for it */
  #submit(
    index: number,
    question: ModelQuestion,
    prompt: Prompt,
    { droppedShots, earlier }: { readonly droppedShots: number; readonly earlier: readonly string[] },
  ): OpenQuestion {
    const encoded = this.#encoders[question.form].prompt(prompt);
    const parts =
      question.kind === 'text'
        ? this.#textRequests(encoded, question).map((request, text) => ({
            request,
            options: [text],
            ids: [],
          }))
        : this.#optionRequests(encoded, question);
    for (const [part, { request }] of parts.entries()) {
      try {
        this.#engine.submit(`${index} ${part}`, request);
      } catch (error) {
        for (let earlier = 0; earlier < part; earlier++) this.#engine.cancel(`${index} ${earlier}`);
        throw error;
      }
    }
    return new OpenQuestion(question, encoded, parts, droppedShots, earlier);
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

  /** Options of one token behind the same context need one pass together, the others one each. */
  #optionRequests(
    prompt: EncodedPrompt,
    { form, choices }: Extract<ModelQuestion, { kind: 'choices' }>,
  ): PartRequest[] {
    const encoder = this.#encoders[form];
    const options = choices.flatMap(({ lead = '', continuations }, choice) => {
      const led = lead === '' ? prompt : ledPrompt(encoder, prompt, lead);
      return continuations.map((continuation) => ({ choice, ...encoder.option(led, continuation) }));
    });
    const passes: {
      readonly context: readonly number[];
      readonly ids: readonly number[];
      readonly options: number[];
    }[] = [];
    for (const [option, { choice, context, ids }] of options.entries()) {
      const [only] = ids;
      const shared = passes.find(
        (pass) =>
          only !== undefined &&
          ids.length === 1 &&
          pass.ids.length === 1 &&
          options[pass.options[0] ?? 0]?.choice === choice &&
          isSameRow(pass.context, context),
      );
      if (shared === undefined) passes.push({ context, ids, options: [option] });
      else shared.options.push(option);
    }
    return passes.map(({ context, ids, options: own }) => ({
      options: own,
      ids: own.flatMap((option) => options[option]?.ids.slice(0, 1) ?? []),
      request: {
        promptIds: [...context, ...ids],
        maxNewTokens: 0,
        promptLogProbs: 1,
        promptLogProbsFrom: context.length,
        ...(own.length > 1 && { promptLogProbIds: own.flatMap((option) => options[option]?.ids ?? []) }),
      },
    }));
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
      const restarted = this.#start(index, second, hooks, question.turnsAnswered());
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

function isSameRow(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, place) => id === b[place]);
}
