/**
 * Puts questions to a judge and reads its verdicts. What is no verdict is asked again within bounds and counted by kind; nothing
 * that a judge does ends the run.
 */
import { createHash } from 'node:crypto';
import { InterruptedError } from '../../errors/index.js';
import { Progress } from '../../log/index.js';
import type { LanguageModel, ModelIdentity, ModelQuestion } from '../model/language-model.js';
import { withNextTurn } from '../model/prompt-text.js';
import { Problems } from '../problems.js';
import type { Prompt } from '../task.js';
import { JUDGE_PROMPT_VERSION } from './judge-prompt.js';
import type { Rubric } from './rubric.js';
import type { VerdictCache } from './verdict-cache.js';
import type { Reading } from './verdict-text.js';

export interface JudgeQuestion {
  /** For counting: the sample's. */
  readonly id: string;
  readonly prompt: Prompt;
  /** Said after a text that is no verdict. */
  readonly again: string;
}

export type JudgeReply<Verdict> =
  | { readonly kind: 'verdict'; readonly verdict: Verdict; readonly texts: readonly string[] }
  /** It wrote something, and nothing of use. */
  | { readonly kind: 'unusable'; readonly reason: string; readonly texts: readonly string[] }
  /** It could not be asked this time: the next run asks again. */
  | { readonly kind: 'failed'; readonly reason: string; readonly message: string };

export interface JudgeOptions {
  readonly model: LanguageModel;
  readonly rubric: Rubric;
  readonly cache: VerdictCache;
  /** Times that a judge is asked for one verdict. Default 3. */
  readonly attempts?: number | undefined;
  /** Of one verdict. Default 1024. */
  readonly maxNewTokens?: number | undefined;
}

/** What results say of the judge. */
export interface JudgeReport {
  readonly judge: ModelIdentity;
  readonly rubric: { readonly name: string; readonly version: string; readonly sha256: string };
  readonly prompt_version: number;
}

export class Judge {
  readonly rubric: Rubric;
  readonly #model: LanguageModel;
  readonly #cache: VerdictCache;
  readonly #attempts: number;
  readonly #maxNewTokens: number;
  /** Verdicts that were there already, of all that were asked for. */
  #cached = 0;
  #asked = 0;

  constructor({ model, rubric, cache, attempts = 3, maxNewTokens = 1024 }: JudgeOptions) {
    this.rubric = rubric;
    this.#model = model;
    this.#cache = cache;
    this.#attempts = attempts;
    this.#maxNewTokens = maxNewTokens;
  }

  get report(): JudgeReport {
    const { name, version, sha256 } = this.rubric;
    return {
      judge: this.#model.identity,
      rubric: { name, version, sha256 },
      prompt_version: JUDGE_PROMPT_VERSION,
    };
  }

  get counts(): { readonly cached: number; readonly asked: number } {
    return { cached: this.#cached, asked: this.#asked };
  }

  dispose(): void {
    this.#cache.close();
    this.#model.dispose();
  }

  /**
   * @returns one reply for each question
   * @throws InterruptedError after a signal; what was said until then is in the cache
   */
  async ask<Verdict>(
    questions: readonly JudgeQuestion[],
    read: (text: string) => Reading<Verdict>,
    label: string,
  ): Promise<JudgeReply<Verdict>[]> {
    const waiting = new Map<string, OpenQuestion>();
    const keys = questions.map((question) => {
      const key = this.#keyOf(question.prompt);
      if (this.#cache.get(key) === undefined) waiting.set(key, { question, key, texts: [] });
      else this.#cached += 1;
      return key;
    });
    const failures = new Map<string, JudgeReply<Verdict>>();
    try {
      if (waiting.size > 0) await this.#askAll([...waiting.values()], read, failures, label);
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error;
      throw new InterruptedError(
        `${error.message}; ${this.#cache.path} keeps the verdicts so far, the same command goes on from there`,
      );
    }
    return keys.map((key): JudgeReply<Verdict> => {
      const texts = this.#cache.get(key);
      if (texts !== undefined) return replyOf(texts, read);
      return failures.get(key) ?? { kind: 'failed', reason: 'not asked', message: 'the judge was not asked' };
    });
  }

  async #askAll<Verdict>(
    open: readonly OpenQuestion[],
    read: (text: string) => Reading<Verdict>,
    failures: Map<string, JudgeReply<Verdict>>,
    label: string,
  ): Promise<void> {
    const progress = new Progress({ label, unit: 'verdict', total: open.length });
    let done = 0;
    const settle = (): void => {
      done += 1;
      progress.update(done);
    };
    let round = open;
    for (let attempt = 1; round.length > 0; attempt++) {
      const next: OpenQuestion[] = [];
      this.#asked += round.length;
      await this.#model.answer(
        round.map((each) => this.#modelQuestion(each)),
        {
          onAnswer: (place, { output = '' }) => {
            const asked = round[place];
            if (asked === undefined) return;
            const texts = [...asked.texts, output];
            if (read(output).kind === 'unusable' && attempt < this.#attempts) {
              next.push({ ...asked, texts });
              return;
            }
            this.#cache.add(asked.key, texts);
            settle();
          },
          onUnanswerable: (place, reason, message) => {
            const asked = round[place];
            if (asked === undefined) return;
            // What it wrote before stands; a longer question does not fit.
            if (asked.texts.length > 0) this.#cache.add(asked.key, asked.texts);
            else failures.set(asked.key, { kind: 'unusable', reason: `judge: ${reason}`, texts: [message] });
            settle();
          },
          onFailure: (place, reason, message) => {
            const asked = round[place];
            if (asked === undefined) return;
            failures.set(asked.key, { kind: 'failed', reason, message });
            settle();
          },
        },
      );
      round = next;
    }
    progress.finish();
  }

  #modelQuestion({ question: { prompt, again }, texts }: OpenQuestion): ModelQuestion {
    const wrong = texts.at(-1);
    return {
      kind: 'text',
      form: this.#model.forms[0] ?? 'chat',
      prompt: wrong === undefined ? prompt : withNextTurn(prompt, wrong.slice(0, MOST_WRONG), again),
      stop: [],
      maxNewTokens: this.#maxNewTokens,
    };
  }

  #keyOf(prompt: Prompt): string {
    const { path: _path, ...own } = this.#model.identity;
    const judge = Object.keys(own.model).some((name) => name !== 'name') ? own : this.#model.identity;
    return createHash('sha256')
      .update(JSON.stringify([JUDGE_PROMPT_VERSION, judge, this.#attempts, this.#maxNewTokens, prompt]))
      .digest('hex');
  }
}

/** Of a text that is no verdict, as much as the judge sees again. */
const MOST_WRONG = 2000;

interface OpenQuestion {
  readonly question: JudgeQuestion;
  readonly key: string;
  /** What it wrote so far. */
  readonly texts: readonly string[];
}

function replyOf<Verdict>(
  texts: readonly string[],
  read: (text: string) => Reading<Verdict>,
): JudgeReply<Verdict> {
  const reading = read(texts.at(-1) ?? '');
  return reading.kind === 'verdict'
    ? { kind: 'verdict', verdict: reading.verdict, texts }
    : { kind: 'unusable', reason: reading.reason, texts };
}

/** Replies without a verdict, counted by kind. */
export function countUnusable(
  questions: readonly JudgeQuestion[],
  replies: readonly JudgeReply<unknown>[],
): { readonly unusable: Problems; readonly failed: Problems } {
  const unusable = new Problems();
  const failed = new Problems();
  for (const [place, reply] of replies.entries()) {
    const id = questions[place]?.id ?? '';
    if (reply.kind === 'unusable') unusable.add(reply.reason, id, shown(reply.texts.at(-1) ?? ''));
    if (reply.kind === 'failed') failed.add(reply.reason, id, reply.message);
  }
  return { unusable, failed };
}

function shown(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
