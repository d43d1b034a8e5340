/** What results say of pairs of models. */
import type { PreferenceReply } from './battle.js';
import type { Comparison } from './compare-answers.js';

interface Tally {
  /** With a verdict. */
  readonly n: number;
  readonly one_wins: number;
  readonly other_wins: number;
  readonly ties: number;
}

export interface PairReport extends Tally {
  readonly one: string;
  readonly other: string;
  /** Ties because the two orders disagreed. */
  readonly inconsistent: number;
  /** Ties because both said the same; the judge was not asked. */
  readonly identical: number;
  /** Dialogues that both answered, and of which there is no verdict. */
  readonly unjudged: number;
  readonly groups: Readonly<Record<string, Tally>>;
}

function tally(comparisons: readonly Comparison[]): Tally {
  const of = (wanted: Comparison['winner']): number =>
    comparisons.filter(({ winner }) => winner === wanted).length;
  const [one_wins, other_wins, ties] = [of('one'), of('other'), of('tie')];
  return { n: one_wins + other_wins + ties, one_wins, other_wins, ties };
}

export function pairReports(names: readonly string[], comparisons: readonly Comparison[]): PairReport[] {
  const pairs = [...new Set(comparisons.map(({ one, other }) => `${one} ${other}`))];
  return pairs.map((pair) => {
    const own = comparisons.filter(({ one, other }) => `${one} ${other}` === pair);
    const [first] = own;
    const isAsked = ({ forward }: Comparison): boolean => forward !== undefined;
    const dimensions = [...new Set(own.map(({ dimension }) => dimension))];
    return {
      one: names[first?.one ?? 0] ?? '',
      other: names[first?.other ?? 0] ?? '',
      ...tally(own),
      inconsistent: own.filter(({ winner, isConsistent }) => winner === 'tie' && !isConsistent).length,
      identical: own.filter((each) => !isAsked(each)).length,
      unjudged: own.filter(({ winner }) => winner === undefined).length,
      groups: Object.fromEntries(
        dimensions.map((name) => [name, tally(own.filter(({ dimension }) => dimension === name))]),
      ),
    };
  });
}

/** How much the place of an answer mattered to the judge. */
export function positionReport(comparisons: readonly Comparison[]): {
  /** Of pairs with two verdicts: those in which both orders agree. Null for none. */
  readonly consistency: number | null;
  /** Of all verdicts that are no ties: those for the answer that stood first; 0.5 is fair. */
  readonly first_preferred: number | null;
} {
  const winners = (reply: PreferenceReply | undefined): string[] =>
    reply?.kind === 'verdict' ? [reply.verdict.winner] : [];
  const asked = comparisons.filter(({ forward, winner }) => forward !== undefined && winner !== undefined);
  const decided = comparisons
    .flatMap(({ forward, swapped }) => [...winners(forward), ...winners(swapped)])
    .filter((winner) => winner !== 'tie');
  return {
    consistency:
      asked.length === 0 ? null : asked.filter(({ isConsistent }) => isConsistent).length / asked.length,
    first_preferred:
      decided.length === 0 ? null : decided.filter((winner) => winner === 'A').length / decided.length,
  };
}

/** A line of pairs.jsonl. */
export function pairLine(
  names: readonly string[],
  { id, dimension, one, other, forward, swapped, winner, isConsistent }: Comparison,
): object {
  const [first, second] = [names[one] ?? '', names[other] ?? ''];
  const named = { one: first, other: second, tie: 'tie' } as const;
  return {
    id,
    dimension,
    one: first,
    other: second,
    winner: winner === undefined ? null : named[winner],
    ...(forward === undefined ? { identical: true } : { consistent: isConsistent }),
    forward: replyLine(forward, first, second),
    swapped: replyLine(swapped, second, first),
  };
}

/** @param a the model that stood first */
function replyLine(reply: PreferenceReply | undefined, a: string, b: string): object | null {
  if (reply === undefined) return null;
  switch (reply.kind) {
    case 'verdict': {
      const winner = { A: a, B: b, tie: 'tie' }[reply.verdict.winner];
      return { winner, reason: reply.verdict.reason, raw: reply.texts };
    }
    case 'unusable':
      return { winner: null, unusable: reply.reason, raw: reply.texts };
    case 'failed':
      return { winner: null, failed: reply.reason, message: reply.message };
  }
}
