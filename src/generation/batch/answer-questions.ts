/** Answers many questions through one engine, in order. */
import { InputError, Interruption } from '../../errors/index.js';
import { StepLoop } from '../engine/step-loop.js';
import type { StepEvent, SteppingEngine } from '../engine/stepping-engine.js';
import type { SequenceEnd, TextRequest } from '../requests.js';

export interface Answer {
  readonly text: string;
  readonly end: SequenceEnd | undefined;
  /** Why there is no answer. */
  readonly error: Error | undefined;
}

export interface AnswerOptions {
  readonly count: number;
  /** Questions before this one have their answers. */
  readonly first: number;
  /** @throws InputError for a question that cannot be asked; the others go on */
  readonly request: (question: number) => TextRequest;
  readonly onAnswer: (question: number, answer: Answer) => void;
  /** Text of an answer as it comes; of beams there is none before the end. */
  readonly onPiece?: ((question: number, text: string) => void) | undefined;
  /** After every step. */
  readonly onProgress?: () => void;
}

/** Requests in the engine at a time: enough for it to choose from, few enough to render late. */
const AHEAD = 128;

/**
 * Asks all questions, those of one engine together.
 * @throws InterruptedError after SIGINT or SIGTERM, between two steps; answers given until then have been handed on
 */
export async function answerQuestions(engine: SteppingEngine, options: AnswerOptions): Promise<void> {
  const interruption = new Interruption();
  let loop: StepLoop | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const round = new Round(options);
      loop = new StepLoop(engine, {
        // What is thrown here ends the loop.
        onStep(_, events) {
          for (const event of events) round.take(event);
          options.onProgress?.();
          interruption.check((signal) => `stopped by ${signal}`);
          if (loop !== undefined && !round.ask(loop)) resolve();
        },
        onFailure: reject,
      });
      if (!round.ask(loop)) resolve();
    });
  } finally {
    loop?.end();
    interruption.dispose();
  }
}

/** The questions under way. */
class Round {
  readonly #options: AnswerOptions;
  readonly #open = new Map<string, string[]>();
  #next: number;

  constructor(options: AnswerOptions) {
    this.#options = options;
    this.#next = options.first;
  }

  /** Hands on as many questions as may be under way; false if none is left. */
  ask(loop: StepLoop): boolean {
    const { count, request, onAnswer } = this.#options;
    for (; this.#next < count && this.#open.size < AHEAD; this.#next++) {
      const id = String(this.#next);
      try {
        loop.submit(id, request(this.#next));
        this.#open.set(id, []);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        onAnswer(this.#next, { text: '', end: undefined, error });
      }
    }
    return this.#open.size > 0;
  }

  take({ id, event, error }: StepEvent): void {
    const pieces = this.#open.get(id);
    if (pieces === undefined) return;
    const piece = event === undefined ? '' : (event.beams?.[0]?.text ?? event.text);
    if (piece !== '') {
      pieces.push(piece);
      this.#options.onPiece?.(Number(id), piece);
    }
    if (event?.end === undefined && error === undefined) return;
    this.#open.delete(id);
    this.#options.onAnswer(Number(id), { text: pieces.join(''), end: event?.end, error });
  }
}
