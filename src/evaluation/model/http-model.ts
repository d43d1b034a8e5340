/** A model behind an OpenAI-compatible address: chat for written answers, completions for plain text and for log-likelihoods. */

import { InputError } from '../../errors/index.js';
import { fieldOf } from '../../json/index.js';
import { answerInTurn } from './answer-in-turn.js';
import { ChatSettings } from './chat-settings.js';
import { echoedOption } from './echoed-option.js';
import { HttpClient, type HttpClientOptions, HttpFailure } from './http-client.js';
import type {
  AnswerHooks,
  LanguageModel,
  ModelAnswer,
  ModelIdentity,
  ModelQuestion,
  ModelUsage,
  PromptForm,
} from './language-model.js';
import { promptMessages, promptText, withFewerShots, withNextTurn } from './prompt-text.js';

export interface HttpModelOptions extends HttpClientOptions {
  /** Default: the first that the address lists. */
  readonly name?: string | undefined;
  /** Questions at the same time. Default 8. */
  readonly parallel?: number | undefined;
  /** The usual form for written answers first. */
  readonly forms?: readonly PromptForm[] | undefined;
  /** The variable of the key and the option of the name, for messages. Default those of the model that is measured. */
  readonly spelled?: { readonly key: string; readonly name: string } | undefined;
  /** A question that is refused (401, 403, 404) after others were answered has failed, and the run goes on. Default false. */
  readonly bearsRefusals?: boolean | undefined;
}

type TextQuestion = Extract<ModelQuestion, { kind: 'text' }>;
type ChoiceQuestion = Extract<ModelQuestion, { kind: 'choices' }>;

export class HttpModel implements LanguageModel {
  readonly identity: ModelIdentity;
  readonly forms: readonly PromptForm[];
  readonly #client: HttpClient;
  readonly #name: string;
  readonly #parallel: number;
  readonly #spelled: { readonly key: string; readonly name: string };
  readonly #bearsRefusals: boolean;
  readonly #settings: ChatSettings;
  #hasAnswered = false;
  #usage = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 };

  private constructor(
    client: HttpClient,
    name: string,
    { parallel = 8, forms = ['chat', 'plain'], spelled = SPELLED, bearsRefusals = false }: HttpModelOptions,
  ) {
    this.#spelled = spelled;
    this.#settings = new ChatSettings(client.base);
    this.#bearsRefusals = bearsRefusals;
    this.#client = client;
    this.#name = name;
    this.#parallel = parallel;
    this.forms = forms;
    this.identity = { path: client.base, model: { name }, tokenizer: null, adapter: null, dtype: null };
  }

  /** @throws InputError where nothing answers at the address, or it lists no model and none was named */
  static async open(options: HttpModelOptions): Promise<HttpModel> {
    const client = new HttpClient(options);
    if (options.name !== undefined) return new HttpModel(client, options.name, options);
    try {
      const list = fieldOf(await client.get('/models'), 'data');
      const name: unknown = Array.isArray(list) ? fieldOf(list[0], 'id') : undefined;
      if (typeof name === 'string') return new HttpModel(client, name, options);
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      throw new InputError(
        `${options.address}: ${error.message}; is it the address of an OpenAI-compatible API? Else name its model with ${(options.spelled ?? SPELLED).name}.`,
      );
    }
    throw new InputError(
      `${client.base}/models lists no model; name one with ${(options.spelled ?? SPELLED).name}.`,
    );
  }

  get usage(): ModelUsage {
    return { ...this.#usage };
  }

  dispose(): void {}

  async answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void> {
    await answerInTurn(questions, this.#parallel, (index, question) =>
      this.#answerOne(index, question, hooks),
    );
  }

  async #answerOne(index: number, question: ModelQuestion, hooks: AnswerHooks): Promise<void> {
    for (let dropped = 0; ; dropped++) {
      const shots = question.prompt.shots.length - dropped;
      try {
        hooks.onAnswer(
          index,
          await this.#ask({ ...question, prompt: withFewerShots(question.prompt, shots) }, dropped),
        );
        this.#hasAnswered = true;
        return;
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        const isRefused = error.status === 401 || error.status === 403 || error.status === 404;
        if (isRefused && !(this.#bearsRefusals && this.#hasAnswered))
          throw new InputError(
            `${error.message}; check the address, the key in ${this.#spelled.key} and ${this.#spelled.name}.`,
          );
        if (!isTooLong(error)) {
          hooks.onFailure(index, error.reason, error.message);
          return;
        }
        if (shots > 0) continue;
        hooks.onUnanswerable(index, 'too long for the model', error.message);
        return;
      }
    }
  }

  async #ask(question: ModelQuestion, droppedShots: number): Promise<ModelAnswer> {
    const { prompt } = question;
    if (question.kind === 'choices') return { ...(await this.#score(question)), droppedShots };
    const { repeats = 1 } = question;
    const outputs: string[] = [];
    for (let seed = 0; seed < repeats; seed += 1) outputs.push(await this.#write(question, seed));
    const [first = ''] = outputs;
    const shown = question.form === 'plain' ? promptText(prompt) : JSON.stringify(promptMessages(prompt));
    const common = { prompt: shown, ids: null, droppedShots };
    if (question.laterTurns !== undefined) return this.#converse(question, first, droppedShots);
    if (question.secondPrompt === undefined)
      return { ...common, output: first, ...(repeats > 1 && { outputs }) };
    const second = await this.#write(
      { ...question, prompt: question.secondPrompt(first), maxNewTokens: 64 },
      0,
    );
    return { ...common, output: second };
  }

  async #converse(question: TextQuestion, first: string, droppedShots: number): Promise<ModelAnswer> {
    const outputs = [first];
    let { prompt } = question;
    let output = first;
    for (const turn of question.laterTurns ?? []) {
      prompt = withNextTurn(prompt, output, turn);
      output = await this.#write({ ...question, prompt }, 0);
      outputs.push(output);
    }
    const shown = question.form === 'plain' ? promptText(prompt) : JSON.stringify(promptMessages(prompt));
    return { prompt: shown, ids: null, droppedShots, output, outputs };
  }

  async #write({ form, prompt, stop, maxNewTokens, sampling }: TextQuestion, seed: number): Promise<string> {
    const common = {
      model: this.#name,
      max_tokens: maxNewTokens,
      temperature: sampling?.temperature ?? 0,
      ...(sampling?.topP !== undefined && { top_p: sampling.topP }),
      ...(sampling?.topK !== undefined && { top_k: sampling.topK }),
      seed,
    };
    if (form === 'chat') {
      const answer = await this.#chat({
        ...common,
        messages: promptMessages(prompt),
      });
      return this.#textOf(answer, (choice) => {
        const said = fieldOf(choice, 'message');
        // OpenAI's own form of a refusal.
        return fieldOf(said, 'content') ?? fieldOf(said, 'refusal') ?? fieldOf(said, 'content');
      });
    }
    const most = stop.slice(0, MOST_STOPS);
    const answer = await this.#client.post('/completions', {
      ...common,
      prompt: promptText(prompt),
      ...(most.length > 0 && { stop: most }),
    });
    return beforeStops(
      this.#textOf(answer, (choice) => fieldOf(choice, 'text')),
      stop,
    );
  }

  async #chat(body: object): Promise<unknown> {
    for (;;) {
      const { version } = this.#settings;
      try {
        return await this.#client.post('/chat/completions', this.#settings.adapted(body));
      } catch (error) {
        if (!(error instanceof HttpFailure) || !this.#settings.learn(error, version)) throw error;
      }
    }
  }

  /** A message without content is an empty answer; anything else that is no text is none. */
  #textOf(answer: unknown, read: (choice: unknown) => unknown): string {
    this.#count(answer);
    const choices = fieldOf(answer, 'choices');
    const [choice]: readonly unknown[] = Array.isArray(choices) ? choices : [];
    const text = choice === undefined ? undefined : read(choice);
    if (typeof text === 'string') return text;
    if (text === null) return '';
    throw new HttpFailure(
      'no answer in it',
      `${this.#client.base}: answered ${JSON.stringify(answer)?.slice(0, 200)}`,
    );
  }

  #count(answer: unknown): void {
    const usage = fieldOf(answer, 'usage');
    const number = (value: unknown): number => (typeof value === 'number' ? value : 0);
    this.#usage = {
      promptTokens: this.#usage.promptTokens + number(fieldOf(usage, 'prompt_tokens')),
      cachedTokens:
        this.#usage.cachedTokens + number(fieldOf(fieldOf(usage, 'prompt_tokens_details'), 'cached_tokens')),
      generatedTokens: this.#usage.generatedTokens + number(fieldOf(usage, 'completion_tokens')),
    };
  }

  async #score({ form, prompt, choices }: ChoiceQuestion): Promise<Omit<ModelAnswer, 'droppedShots'>> {
    if (form === 'chat')
      throw new InputError(
        'an address gives no log-likelihoods of answers in chat form; use --form plain, or --mode generate.',
      );
    const text = promptText(prompt);
    const scored = await Promise.all(
      choices.map(({ lead = '', continuations }) =>
        Promise.all(continuations.map((continuation) => this.#scoreOption(`${text}${lead}`, continuation))),
      ),
    );
    return {
      prompt: text,
      ids: null,
      logLikelihoods: scored.map((options) => options.map(({ logLikelihood }) => logLikelihood)),
      isGreedy: scored.map((options) => options.map(({ isGreedy }) => isGreedy)),
    };
  }

  async #scoreOption(
    context: string,
    continuation: string,
  ): Promise<{ logLikelihood: number; isGreedy: boolean }> {
    const answer = await this.#client.post('/completions', {
      model: this.#name,
      prompt: context + continuation,
      // Some servers refuse 0; the token too many is left out below.
      max_tokens: 1,
      temperature: 0,
      echo: true,
      logprobs: 1,
    });
    this.#count(answer);
    const option = echoedOption(answer, context, continuation);
    if (option !== undefined) return option;
    throw new InputError(
      `${this.#client.base}/completions gives no log-probabilities of a prompt (echo with logprobs); use --mode generate.`,
    );
  }
}

const SPELLED = { key: 'OPENAI_API_KEY', name: '--model-name' } as const;

/** OpenAI takes no more. */
const MOST_STOPS = 4;

function beforeStops(text: string, stop: readonly string[]): string {
  const ends = stop.map((each) => text.indexOf(each)).filter((at) => at >= 0);
  return text.slice(0, Math.min(text.length, ...ends));
}

/** Servers say it in many words. */
function isTooLong({ status, message }: HttpFailure): boolean {
  return (
    (status === 400 || status === 413 || status === 422) &&
    /context|too long|maximum.*(length|tokens)|exceed/i.test(message)
  );
}
