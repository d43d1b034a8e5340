/** What an evaluation asks of a model, wherever it runs: log-likelihoods of options, and written answers. */
import type { Choice, Prompt, SamplingWish } from '../task.js';

export interface LanguageModel {
  readonly identity: ModelIdentity;
  /** How prompts can be put to it, the usual one for written answers first. */
  readonly forms: readonly PromptForm[];
  /**
   * Answers the questions in any order, telling each as it is done.
   * @throws InterruptedError after SIGINT or SIGTERM; InputError where no question at all can be asked
   */
  answer(questions: readonly ModelQuestion[], hooks: AnswerHooks): Promise<void>;
  /** Of all answers so far. */
  readonly usage: ModelUsage;
  dispose(): void;
}

/** As a conversation in the model's chat form, or as text that goes on. */
export type PromptForm = 'chat' | 'plain';

/** What the result says of the model; equal identities give equal answers. */
export interface ModelIdentity {
  readonly path: string;
  readonly model: Readonly<Record<string, string>>;
  readonly tokenizer: Readonly<Record<string, string>> | null;
  readonly adapter: Readonly<Record<string, string>> | null;
  readonly dtype: string | null;
  /** How weights in integers multiplied, where that was not exactly. */
  readonly integerActivations?: string;
}

export interface ModelUsage {
  readonly promptTokens: number;
  /** Of these, those that were found in the cache. */
  readonly cachedTokens: number;
  readonly generatedTokens: number;
}

export type ModelQuestion =
  | {
      readonly kind: 'choices';
      readonly form: PromptForm;
      readonly prompt: Prompt;
      readonly choices: readonly Choice[];
    }
  | {
      readonly kind: 'text';
      readonly form: PromptForm;
      readonly prompt: Prompt;
      readonly secondPrompt?: ((output: string) => Prompt) | undefined;
      /** Said after each answer, which becomes history. */
      readonly laterTurns?: readonly string[] | undefined;
      /** For text that goes on; an answer in chat form ends where the model ends it. */
      readonly stop: readonly string[];
      readonly maxNewTokens: number;
      /** Answers that are written, each with a seed of its own where tokens are drawn. Default 1. */
      readonly repeats?: number | undefined;
      /** Default: the likeliest token is taken. */
      readonly sampling?: SamplingWish | undefined;
    };

export interface ModelAnswer {
  readonly prompt: string;
  /** Null where another program made them. */
  readonly ids: readonly number[] | null;
  readonly output?: string;
  /** All of them, where several were wanted. */
  readonly outputs?: readonly string[];
  /** One list for each choice: nats of each option behind the prompt. */
  readonly logLikelihoods?: readonly (readonly number[])[];
  /** Whether each option is what the model would write by itself. */
  readonly isGreedy?: readonly (readonly boolean[])[];
  /** Examples that did not fit the model's context. */
  readonly droppedShots: number;
}

export interface AnswerHooks {
  onAnswer(question: number, answer: ModelAnswer): void;
  /** The model can never answer it: its context is too short even without examples. */
  onUnanswerable(question: number, reason: string, message: string): void;
  /** It could not be asked this time. */
  onFailure(question: number, reason: string, message: string): void;
}
