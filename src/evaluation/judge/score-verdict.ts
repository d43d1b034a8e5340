/** A judge's score of one dialogue. */
import {
  type Candidate,
  fieldLike,
  halfWidth,
  type Reading,
  readVerdictText,
  reasonIn,
} from './verdict-text.js';

export interface ScoreVerdict {
  /** 0 to 100. */
  readonly score: number;
  readonly reason: string;
}

/** Reads `{"reason": "…", "score": 85}` out of what a judge wrote. */
export function readScoreVerdict(text: string): Reading<ScoreVerdict> {
  return readVerdictText(text, scoreIn, (one, other) => one.score === other.score);
}

function scoreIn(object: object): Candidate<ScoreVerdict> {
  const given = fieldLike(object, 'score', '评分', '分数', '得分');
  const score = scoreOf(given);
  if (score === undefined) return undefined;
  if (score < 0 || score > 100) return 'score out of range';
  return { score, reason: reasonIn(object) };
}

/** A number, or a text that is nothing but one: "85", "８５", "85分", "85/100". */
function scoreOf(given: unknown): number | undefined {
  if (typeof given === 'number') return Number.isFinite(given) ? given : undefined;
  if (typeof given !== 'string') return undefined;
  const number = /^([+-]?\d+(?:\.\d+)?)(?: ?分| ?\/ ?100)?$/.exec(halfWidth(given).trim())?.[1];
  return number === undefined ? undefined : Number(number);
}
