/** One comparison of two models on one dialogue, in both orders. */
import type { JudgeReply } from '../judge.js';
import type { Preference, PreferenceVerdict } from '../preference-verdict.js';

export type PreferenceReply = JudgeReply<PreferenceVerdict>;

export interface Battle {
  /** Of the dialogue. */
  readonly id: string;
  /** Places in the list of models. */
  readonly one: number;
  readonly other: number;
  /** What `one` earns: 1 for a win, 0.5 for a tie, 0. */
  readonly score: number;
}

export type Settled =
  | { readonly winner: 'one' | 'other' | 'tie'; readonly isConsistent: boolean }
  /** One of the orders has no verdict: neither has the pair. */
  | undefined;

/**
 * MT-Bench's rule: a model wins that is preferred in both orders; anything else is a tie.
 * @param forward `one` stood first
 * @param swapped `other` stood first
 */
export function settle(forward: PreferenceReply, swapped: PreferenceReply): Settled {
  if (forward.kind !== 'verdict' || swapped.kind !== 'verdict') return undefined;
  const [first, second] = [forward.verdict.winner, turned(swapped.verdict.winner)];
  const isConsistent = first === second;
  if (!isConsistent || first === 'tie') return { winner: 'tie', isConsistent };
  return { winner: first === 'A' ? 'one' : 'other', isConsistent };
}

function turned(winner: Preference): Preference {
  switch (winner) {
    case 'A':
      return 'B';
    case 'B':
      return 'A';
    case 'tie':
      return 'tie';
  }
}
