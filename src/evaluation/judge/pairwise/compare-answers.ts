/** Puts pairs of models' answers to a judge, each pair in both orders. */
import type { JudgedDialogue } from '../../task.js';
import { countUnusable, type Judge, type JudgeQuestion } from '../judge.js';
import { askAgain, pairPrompt } from '../judge-prompt.js';
import { readPreferenceVerdict } from '../preference-verdict.js';
import { type Battle, type PreferenceReply, settle } from './battle.js';

export interface ComparedDialogue {
  readonly id: string;
  readonly judged: JudgedDialogue;
}

/** One dialogue of one pair of models. */
export interface Comparison {
  readonly id: string;
  readonly dimension: string;
  readonly one: number;
  readonly other: number;
  /** Undefined where both said the same, which is a tie. */
  readonly forward: PreferenceReply | undefined;
  readonly swapped: PreferenceReply | undefined;
  /** Undefined: no verdict. */
  readonly winner: 'one' | 'other' | 'tie' | undefined;
  readonly isConsistent: boolean;
}

/**
 * @param answers of each model, by the dialogue's id
 * @param pairs places of models
 * @throws InterruptedError after a signal
 */
export async function compareAnswers(
  judge: Judge,
  dialogues: readonly ComparedDialogue[],
  answers: readonly ReadonlyMap<string, readonly string[]>[],
  pairs: readonly (readonly [number, number])[],
): Promise<{
  readonly comparisons: readonly Comparison[];
  readonly counted: ReturnType<typeof countUnusable>;
}> {
  const open: { id: string; dimension: string; one: number; other: number; place: number | undefined }[] = [];
  const questions: JudgeQuestion[] = [];
  for (const [one, other] of pairs)
    for (const { id, judged } of dialogues) {
      const [first, second] = [answers[one]?.get(id), answers[other]?.get(id)];
      if (first === undefined || second === undefined) continue;
      const isSame = JSON.stringify(first) === JSON.stringify(second);
      const { dimension, language } = judged;
      open.push({ id, dimension, one, other, place: isSame ? undefined : questions.length });
      if (isSame) continue;
      const again = askAgain(language);
      questions.push({ id, prompt: pairPrompt(judge.rubric, id, judged, first, second), again });
      questions.push({ id, prompt: pairPrompt(judge.rubric, id, judged, second, first), again });
    }
  const replies = await judge.ask(questions, readPreferenceVerdict, 'pairs');
  const comparisons = open.map(({ place, ...own }): Comparison => {
    const forward = place === undefined ? undefined : replies[place];
    const swapped = place === undefined ? undefined : replies[place + 1];
    if (forward === undefined || swapped === undefined)
      return { ...own, forward, swapped, winner: 'tie', isConsistent: true };
    const settled = settle(forward, swapped);
    return {
      ...own,
      forward,
      swapped,
      winner: settled?.winner,
      isConsistent: settled?.isConsistent ?? false,
    };
  });
  return { comparisons, counted: countUnusable(questions, replies) };
}

/** Those with a verdict. */
export function battlesOf(comparisons: readonly Comparison[]): Battle[] {
  return comparisons.flatMap(({ id, one, other, winner }): Battle[] =>
    winner === undefined ? [] : [{ id, one, other, score: POINTS[winner] }],
  );
}

const POINTS = { one: 1, tie: 0.5, other: 0 } as const;
