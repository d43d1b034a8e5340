/** Spark as a model that answers questions. */
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../../errors/index.js';
import {
  type AnswerHooks,
  answerInTurn,
  type LanguageModel,
  type ModelIdentity,
  type ModelQuestion,
  type ModelUsage,
  promptMessages,
  RateLimit,
} from '../../evaluation/index.js';
import { askSpark, type SparkAnswer, SparkFailure } from './spark-exchange.js';
import type { SparkKeys } from './spark-signature.js';

export interface SparkModelOptions {
  readonly keys: SparkKeys;
  /** Default: the address of the domain, at the published service. */
  readonly address?: string | undefined;
  /** Which model: "generalv3.5", "4.0Ultra", … Default generalv3.5, or what the address says. */
  readonly domain?: string | undefined;
  /** Questions at the same time. Default 2: accounts allow few. */
  readonly parallel?: number | undefined;
  readonly rate?: RateLimit | undefined;
  /** Times that a question is asked at most. Default 5. */
  readonly attempts?: number | undefined;
  /** For one answer. Default 120. */
  readonly timeoutSeconds?: number | undefined;
  /** 0 to 1. Default 0.5, as the service's own. */
  readonly temperature?: number | undefined;
  /** The first wait before another attempt, twice as long each time. Default 0.5 s. */
  readonly backoffSeconds?: number | undefined;
}

const HOST = 'wss://spark-api.xf-yun.com';
/** Domain and path of the published versions. */
const VERSIONS: readonly (readonly [domain: string, path: string])[] = [
  ['general', '/v1.1/chat'],
  ['generalv2', '/v2.1/chat'],
  ['generalv3', '/v3.1/chat'],
  ['generalv3.5', '/v3.5/chat'],
  ['4.0Ultra', '/v4.0/chat'],
];
const DEFAULT_DOMAIN = 'generalv3.5';
const LONGEST_WAIT_SECONDS = 60;

export class SparkModel implements LanguageModel {
  readonly identity: ModelIdentity;
  readonly forms = ['chat'] as const;
  readonly #options: SparkModelOptions;
  readonly #address: string;
  readonly #domain: string;
  readonly #rate: RateLimit;
  #usage: ModelUsage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

  /** @throws InputError for an address that is no WebSocket's, a domain without an address */
  constructor(options: SparkModelOptions) {
    this.#options = options;
    const { address, domain } = options;
    this.#domain =
      domain ?? VERSIONS.find(([, path]) => address?.endsWith(path) === true)?.[0] ?? DEFAULT_DOMAIN;
    const path = VERSIONS.find(([name]) => name === this.#domain)?.[1];
    if (address === undefined && path === undefined)
      throw new InputError(
        `--spark-domain ${this.#domain}: its address is not known here; give it with --spark-url. Known are ${VERSIONS.map(([name]) => name).join(', ')}.`,
      );
    this.#address = address ?? `${HOST}${path}`;
    if (!/^wss?:\/\/[^/]+\//.test(this.#address))
      throw new InputError(
        `--spark-url ${this.#address}: give a WebSocket address, such as ${HOST}/v3.5/chat.`,
      );
    this.#rate = options.rate ?? new RateLimit(undefined);
    this.identity = {
      path: this.#address,
      model: { name: this.#domain },
      tokenizer: null,
      adapter: null,
      dtype: null,
    };
  }

  get usage(): ModelUsage {
    return this.#usage;
  }

  dispose(): void {}

  async answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void> {
    await answerInTurn(questions, this.#options.parallel ?? 2, (index, question) =>
      this.#answerOne(index, question, hooks),
    );
  }

  async #answerOne(index: number, question: ModelQuestion, hooks: AnswerHooks): Promise<void> {
    const { prompt } = question;
    if (question.kind === 'choices') {
      hooks.onUnanswerable(index, 'no log-likelihoods', 'Spark gives no log-likelihoods');
      return;
    }
    try {
      const { text, promptTokens, generatedTokens } = await this.#ask(question);
      const { usage } = this;
      this.#usage = {
        ...usage,
        promptTokens: usage.promptTokens + promptTokens,
        generatedTokens: usage.generatedTokens + generatedTokens,
      };
      const shown = JSON.stringify(promptMessages(prompt));
      hooks.onAnswer(index, { prompt: shown, ids: null, output: text, droppedShots: 0 });
    } catch (error) {
      if (!(error instanceof SparkFailure)) throw error;
      if (error.remedy === 'stop') throw new InputError(`${error.message} (${error.reason}).`);
      hooks.onFailure(index, error.reason, error.message);
    }
  }

  async #ask({
    prompt,
    maxNewTokens,
    sampling,
  }: Extract<ModelQuestion, { kind: 'text' }>): Promise<SparkAnswer> {
    const {
      keys,
      attempts = 5,
      timeoutSeconds = 120,
      temperature = 0.5,
      backoffSeconds = 0.5,
    } = this.#options;
    for (let attempt = 1; ; attempt++) {
      await this.#rate.take();
      try {
        return await askSpark({
          address: this.#address,
          keys,
          domain: this.#domain,
          messages: promptMessages(prompt).map(({ role, content }) => ({ role, content })),
          temperature: sampling?.temperature ?? temperature,
          maxTokens: maxNewTokens,
          timeoutSeconds,
        });
      } catch (error) {
        if (!(error instanceof SparkFailure) || error.remedy !== 'wait' || attempt >= attempts) throw error;
        const wait = Math.min(backoffSeconds * 2 ** (attempt - 1), LONGEST_WAIT_SECONDS);
        // All who ask wait: what is too much for one is too much for the account.
        if (error.reason === 'rate limit') this.#rate.pause(wait);
        await sleep(wait * 1000);
      }
    }
  }
}
