/** Which samples are shown. */
import type { PageAnswer, PageSample, Verdict } from '../report-content.js';
import { lowerCase } from './marked-text.js';

export interface Filter {
  /** Place of the task; undefined: all. */
  readonly task: number | undefined;
  readonly group: string | undefined;
  /** A verdict, or of several runs: differ, all, none, or only-N for the run that alone is right. */
  readonly verdict: string;
  readonly isEmptyWanted: boolean;
  /** In lower case. */
  readonly query: string;
}

/** Without the text, which takes longer. */
export function matches(sample: PageSample, { task, group, verdict, isEmptyWanted }: Filter): boolean {
  if (task !== undefined && sample.t !== task) return false;
  if (group !== undefined && !sample.g.includes(group)) return false;
  if (isEmptyWanted && !sample.a.some((answer) => answer !== null && isEmpty(answer))) return false;
  return verdict === '' || hasVerdict(sample, verdict);
}

function hasVerdict({ a: answers }: PageSample, wanted: string): boolean {
  const verdicts = answers.map((answer): Verdict | undefined => answer?.v);
  const isRight = verdicts.map((verdict) => verdict === 'right');
  if (wanted === 'differ') return new Set(verdicts).size > 1;
  if (wanted === 'all') return isRight.every(Boolean);
  if (wanted === 'none') return !isRight.some(Boolean);
  const only = /^only-(\d+)$/.exec(wanted)?.[1];
  if (only !== undefined) return isRight.every((right, run) => right === (run === Number(only)));
  return verdicts.some((verdict) => verdict === wanted);
}

/** An output from which the rule took nothing. */
function isEmpty({ extracted, missing }: PageAnswer): boolean {
  return missing === undefined && (extracted === null || extracted.length === 0);
}

export function contains(sample: PageSample, query: string): boolean {
  if (query === '') return true;
  const has = (text: string | readonly string[] | null | undefined): boolean =>
    typeof text === 'string' ? lowerCase(text).includes(query) : (text?.some(has) ?? false);
  return (
    has(sample.id) ||
    has(sample.g) ||
    has(sample.prompt) ||
    has(sample.target) ||
    has(sample.o) ||
    sample.a.some(
      (answer) => answer !== null && (has(answer.output) || has(answer.extracted) || has(answer.prompt)),
    )
  );
}
