/** Answers in progress: streamed into a message, saved as they grow, retried at a busy server, stopped. */
import type { ApiClient, ChatRequest, ChatUpdate, Usage } from '../api/client.js';
import { type Failure, failureOf, ServerError } from '../api/errors.js';
import type { AnswerState, Message } from '../conversation/conversation.js';
import { Observable } from '../state/observable.js';

export interface LiveProgress {
  readonly tokens: number;
  readonly tokensPerSecond: number | undefined;
  /** The server asked to come again later. */
  readonly waiting: { readonly failure: Failure; readonly until: number } | undefined;
}

export interface LiveAnswer {
  readonly conversationId: string;
  readonly text: Observable<string>;
  readonly reasoning: Observable<string>;
  readonly progress: Observable<LiveProgress>;
}

export interface AnswersOptions {
  readonly api: Pick<ApiClient, 'chat'>;
  /** Called with the message as it grows (a few times a second), and last with its end; an answer ends when that is kept. */
  readonly onChange: (message: Message, isLast: boolean) => Promise<void>;
  readonly onFailure: (failure: Failure) => void;
}

const SAVE_EVERY_MS = 300;
const MAX_ATTEMPTS = 12;

export class Answers {
  readonly live = new Observable<ReadonlyMap<string, LiveAnswer>>(new Map());
  readonly #controllers = new Map<string, AbortController>();
  readonly #messages = new Map<string, Message>();
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  /** The answers under way, as they stand. */
  unfinished(): Message[] {
    return [...this.#messages.values()];
  }

  stop(id: string): void {
    this.#controllers.get(id)?.abort();
  }

  /** @param start the message to fill; what its text holds already stays at its head */
  async run(start: Message, request: ChatRequest): Promise<Message> {
    const controller = new AbortController();
    const answer = new RunningAnswer(start);
    this.#controllers.set(start.id, controller);
    this.#messages.set(start.id, answer.message('streaming'));
    this.live.update((live) => new Map(live).set(start.id, answer));
    const saving = setInterval(() => {
      if (answer.takeChange()) void this.#options.onChange(answer.message('streaming'), false);
    }, SAVE_EVERY_MS);
    let end: Message;
    try {
      for await (const update of this.#withRetries(request, answer, controller.signal)) {
        answer.add(update);
        this.#messages.set(start.id, answer.message('streaming'));
      }
      end = answer.message('complete');
    } catch (error) {
      if (controller.signal.aborted) end = answer.message('stopped');
      else {
        const failure = failureOf(error);
        end = {
          ...answer.message(answer.text.value === '' && answer.reasoning.value === '' ? 'failed' : 'cut-off'),
          failure,
        };
        this.#options.onFailure(failure);
      }
    }
    clearInterval(saving);
    this.#controllers.delete(start.id);
    this.#messages.delete(start.id);
    const kept = this.#options.onChange(end, true);
    this.live.update((live) => new Map([...live].filter(([id]) => id !== start.id)));
    // Another tab that waits for the end must find it where answers are kept, or it takes this one for cut off.
    await kept;
    return end;
  }

  /** Asks again where the server said when, as long as nothing has come. */
  async *#withRetries(
    request: ChatRequest,
    answer: RunningAnswer,
    signal: AbortSignal,
  ): AsyncGenerator<ChatUpdate> {
    for (let attempt = 1; ; attempt++) {
      try {
        yield* this.#options.api.chat(request, signal);
        return;
      } catch (error) {
        if (!(error instanceof ServerError) || error.retryAfter === undefined) throw error;
        if (answer.hasBegun || attempt === MAX_ATTEMPTS || signal.aborted) throw error;
        const waitMs = Math.max(250, 1000 * error.retryAfter);
        answer.wait({ failure: error.failure, until: Date.now() + waitMs });
        await delay(waitMs, signal);
        answer.wait(undefined);
      }
    }
  }
}

class RunningAnswer implements LiveAnswer {
  readonly conversationId: string;
  readonly text: Observable<string>;
  readonly reasoning: Observable<string>;
  readonly progress = new Observable<LiveProgress>({
    tokens: 0,
    tokensPerSecond: undefined,
    waiting: undefined,
  });
  readonly #start: Message;
  #startedAt = performance.now();
  #firstTextAt: number | undefined;
  #pieces = 0;
  #usage: Usage | undefined;
  #finishReason: string | undefined;
  #serverSpeed: number | undefined;
  #isChanged = false;

  constructor(start: Message) {
    this.#start = start;
    this.conversationId = start.conversationId;
    this.text = new Observable(start.text);
    this.reasoning = new Observable(start.reasoning ?? '');
  }

  get hasBegun(): boolean {
    return this.#firstTextAt !== undefined;
  }

  takeChange(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }

  wait(waiting: LiveProgress['waiting']): void {
    if (waiting === undefined) this.#startedAt = performance.now();
    this.progress.update((progress) => ({ ...progress, waiting }));
  }

  add({ text, reasoning, finishReason, usage, tokensPerSecond }: ChatUpdate): void {
    if (usage !== undefined) this.#usage = usage;
    if (finishReason !== undefined) this.#finishReason = finishReason;
    if (tokensPerSecond !== undefined) this.#serverSpeed = tokensPerSecond;
    if (reasoning !== undefined && reasoning !== '') {
      this.#noteText();
      this.reasoning.set(this.reasoning.value + reasoning);
    }
    if (text !== undefined && text !== '') {
      this.#noteText();
      this.text.set(this.text.value + text);
    }
    this.progress.update((progress) => ({ ...progress, tokens: this.#tokens, tokensPerSecond: this.#speed }));
  }

  #noteText(): void {
    this.#firstTextAt ??= performance.now();
    this.#pieces++;
    this.#isChanged = true;
  }

  message(state: AnswerState): Message {
    return {
      ...this.#start,
      text: this.text.value,
      reasoning: this.reasoning.value === '' ? undefined : this.reasoning.value,
      state,
      failure: undefined,
      finishReason: this.#finishReason,
      figures:
        this.#usage === undefined && this.#pieces === 0
          ? undefined
          : {
              promptTokens: this.#usage?.promptTokens ?? 0,
              completionTokens: this.#tokens,
              cachedTokens: this.#usage?.cachedTokens ?? 0,
              tokensPerSecond: this.#speed,
              firstTextMs: this.#firstTextAt === undefined ? undefined : this.#firstTextAt - this.#startedAt,
            },
    };
  }

  /** Until the server says: one piece of text, one token. */
  get #tokens(): number {
    return this.#usage?.completionTokens || this.#pieces;
  }

  get #speed(): number | undefined {
    if (this.#serverSpeed !== undefined) return this.#serverSpeed;
    if (this.#firstTextAt === undefined || this.#tokens < 2) return undefined;
    const seconds = (performance.now() - this.#firstTextAt) / 1000;
    return seconds > 0.05 ? (this.#tokens - 1) / seconds : undefined;
  }
}

/** @throws the signal's reason */
function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
