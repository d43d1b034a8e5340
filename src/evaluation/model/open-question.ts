/** A question that a local model is answering, in one request or several. */
import { NonFiniteError } from '../../errors/index.js';
import type { StepEvent, TextRequest } from '../../generation/index.js';
import type { ModelAnswer, ModelQuestion } from './language-model.js';
import type { EncodedPrompt } from './prompt-encoder.js';
import { withNextTurn } from './prompt-text.js';

/** One request of a question: options that it answers, or the text that it writes. */
export interface PartRequest {
  readonly request: TextRequest;
  /** Their places among all options. */
  readonly options: readonly number[];
  /** The first id of each. */
  readonly ids: readonly number[];
}

/** One question under way, in one request or several. */
export class OpenQuestion {
  readonly waiting: Set<number>;
  readonly #question: ModelQuestion;
  readonly #prompt: EncodedPrompt;
  readonly #droppedShots: number;
  readonly #parts: readonly PartRequest[];
  readonly #sums: number[];
  readonly #greedy: boolean[];
  readonly #texts: string[];
  readonly #earlier: readonly string[];

  /** @param earlier answers to earlier turns of a dialogue */
  constructor(
    question: ModelQuestion,
    prompt: EncodedPrompt,
    parts: readonly PartRequest[],
    droppedShots: number,
    earlier: readonly string[],
  ) {
    const count = parts.flatMap(({ options }) => options).length;
    this.#earlier = earlier;
    this.#question = question;
    this.#prompt = prompt;
    this.#droppedShots = droppedShots;
    this.#parts = parts;
    this.waiting = new Set(parts.keys());
    this.#texts = new Array<string>(count).fill('');
    this.#sums = new Array<number>(count).fill(0);
    this.#greedy = new Array<boolean>(count).fill(true);
  }

  take(part: number, { text, promptLogProbs }: NonNullable<StepEvent['event']>): void {
    this.#texts[part] = (this.#texts[part] ?? '') + text;
    const { options = [], ids = [] } = this.#parts[part] ?? {};
    for (const token of promptLogProbs ?? []) {
      if (token === null) continue;
      const { chosen, asked = [chosen.logProb], top } = token;
      for (const [place, option] of options.entries()) {
        this.#sums[option] = (this.#sums[option] ?? 0) + (asked[place] ?? Number.NaN);
        const id = asked.length > 1 ? ids[place] : chosen.id;
        if (top[0]?.id !== id) this.#greedy[option] = false;
      }
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
    if (question.kind !== 'text') return undefined;
    const [text = ''] = this.#texts;
    const [turn, ...laterTurns] = question.laterTurns ?? [];
    if (turn !== undefined)
      return { ...question, prompt: withNextTurn(question.prompt, text, turn), laterTurns };
    if (question.secondPrompt === undefined) return undefined;
    return {
      ...question,
      prompt: question.secondPrompt(text),
      secondPrompt: undefined,
      maxNewTokens: 64,
    };
  }

  /** The answers of a dialogue up to now; none of what is no dialogue. */
  turnsAnswered(): readonly string[] {
    const isDialogue = this.#question.kind === 'text' && this.#question.laterTurns !== undefined;
    return isDialogue ? [...this.#earlier, this.#texts[0] ?? ''] : [];
  }

  answer(): ModelAnswer {
    const { text: prompt, ids } = this.#prompt;
    const common = { prompt, ids, droppedShots: this.#droppedShots };
    if (this.#question.kind === 'text') {
      const turns = this.turnsAnswered();
      const outputs = turns.length > 0 ? turns : this.#texts;
      const isSeveral = turns.length > 0 || outputs.length > 1;
      return { ...common, output: this.#texts[0] ?? '', ...(isSeveral && { outputs }) };
    }
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
