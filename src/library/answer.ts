/** What the model gave: whole, or in pieces as they come. */
import type { Message, ToolCall } from './chat-message.js';

/** A whole answer or continuation. */
export interface Answer {
  /** Without thoughts and calls. */
  readonly text: string;
  /** What a model with thoughts wrote before it answered; undefined: nothing. */
  readonly reasoning: string | undefined;
  /** The tools that it asks for; empty: none. */
  readonly toolCalls: readonly ToolCall[];
  /** stop: it ended by itself; length: `maxNewTokens` or the model's length was reached; tool_calls: it waits for results. */
  readonly finishReason: 'stop' | 'length' | 'tool_calls';
  /** What it took. */
  readonly usage: Usage;
  /** The answer as the next message of the conversation. */
  readonly message: Message;
}

/** Counts of one request. */
export interface Usage {
  /** Tokens of the prompt, those out of the cache among them. */
  readonly promptTokens: number;
  /** Tokens of the prompt that had been computed before. */
  readonly cachedTokens: number;
  /** Tokens generated. */
  readonly generatedTokens: number;
}

/**
 * An answer in pieces: `for await (const piece of stream)` gives the text as it comes, each piece once. Leaving the loop
 * ends the answer in the engine.
 */
export class AnswerStream implements AsyncIterable<string> {
  /** The whole, when it is through; rejected with what ended it: an InputError, the signal's reason, leaving the loop. */
  readonly answer: Promise<Answer>;
  readonly #pieces: string[] = [];
  readonly #leave = new AbortController();
  #isOver = false;
  #wake: (() => void) | undefined;

  /**
   * @param run makes the answer, and gives its pieces to `onText`
   * @param signal ends it
   * @internal
   */
  constructor(
    run: (signal: AbortSignal, onText: (piece: string) => void) => Promise<Answer>,
    signal?: AbortSignal | undefined,
  ) {
    const signals = [this.#leave.signal, ...(signal === undefined ? [] : [signal])];
    this.answer = run(AbortSignal.any(signals), (piece) => {
      this.#pieces.push(piece);
      this.#wake?.();
    }).finally(() => {
      this.#isOver = true;
      this.#wake?.();
    });
    // Who only loops is told by the loop.
    this.answer.catch(() => undefined);
  }

  /** The pieces that have not been taken yet, and those to come. @throws as `answer` is rejected */
  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) yield piece;
        else if (this.#isOver) break;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
      await this.answer;
    } finally {
      this.#leave.abort(new Error('the loop over the answer was left'));
    }
  }
}
