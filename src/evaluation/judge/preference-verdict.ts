/** Which of two answers a judge prefers. */
import {
  type Candidate,
  fieldLike,
  halfWidth,
  type Reading,
  readVerdictText,
  reasonIn,
} from './verdict-text.js';

/** By place in the prompt. */
export type Preference = 'A' | 'B' | 'tie';

export interface PreferenceVerdict {
  readonly winner: Preference;
  readonly reason: string;
}

/** Reads `{"reason": "…", "winner": "A"}` out of what a judge wrote. */
export function readPreferenceVerdict(text: string): Reading<PreferenceVerdict> {
  return readVerdictText(text, winnerIn, (one, other) => one.winner === other.winner);
}

const WORDS: ReadonlyMap<string, Preference> = new Map([
  ['a', 'A'],
  ['b', 'B'],
  ['assistant a', 'A'],
  ['assistant b', 'B'],
  ['助手a', 'A'],
  ['助手b', 'B'],
  ['tie', 'tie'],
  ['c', 'tie'],
  ['equal', 'tie'],
  ['draw', 'tie'],
  ['平局', 'tie'],
  ['平手', 'tie'],
]);

function winnerIn(object: object): Candidate<PreferenceVerdict> {
  const given = fieldLike(object, 'winner', '胜者', '胜出', '优胜');
  if (typeof given !== 'string') return undefined;
  const winner = WORDS.get(halfWidth(given).trim().toLowerCase());
  return winner === undefined ? undefined : { winner, reason: reasonIn(object) };
}
