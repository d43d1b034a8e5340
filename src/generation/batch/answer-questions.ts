/** Answers many questions through one engine, in order. */
import { InputError, Interruption } from '../../errors/index.js';
import type { TextEngine } from '../engine/text-engine.js';
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
  /** After every step. */
  readonly onProgress?: () => void;
}

/** Requests in the engine at a time: enough for it to choose from, few enough to render late. */
const AHEAD = 128;

/**
 * Asks all questions, those of one engine together.
 * @throws InterruptedError after SIGINT or SIGTERM, between two steps; answers given until then have been handed on
 */
export async function answerQuestions(engine: TextEngine, options: AnswerOptions): Promise<void> {
  const { count, request, onAnswer, onProgress } = options;
  const open = new Map<string, string[]>();
  let next = options.first;
  const interruption = new Interruption();
  try {
    while (next < count || open.size > 0) {
      for (; next < count && open.size < AHEAD; next++) {
        try {
          engine.submit(String(next), request(next));
          open.set(String(next), []);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          onAnswer(next, { text: '', end: undefined, error });
        }
      }
      for (const { id, event } of engine.step()) {
        const pieces = open.get(id);
        if (pieces === undefined) continue;
        const error = 'error' in event ? event.error : undefined;
        const end = 'error' in event ? undefined : event.end;
        if (!('error' in event)) pieces.push(event.beams?.[0]?.text ?? event.text);
        if (end === undefined && error === undefined) continue;
        open.delete(id);
        onAnswer(Number(id), { text: pieces.join(''), end, error });
      }
      onProgress?.();
      // Signals are heard between two steps only. Without work a grammar is being compiled: no need to hurry.
      await new Promise((resolve) => (engine.hasWork ? setImmediate(resolve) : setTimeout(resolve, 5)));
      interruption.check((signal) => `stopped by ${signal}`);
    }
  } finally {
    interruption.dispose();
  }
}
