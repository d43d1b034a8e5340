/** A regular expression as a tree. */
import type { CodePointSet } from './code-points.js';

export type Regex =
  | { readonly kind: 'set'; readonly set: CodePointSet }
  | { readonly kind: 'sequence'; readonly items: readonly Regex[] }
  | { readonly kind: 'choice'; readonly options: readonly Regex[] }
  | { readonly kind: 'repeat'; readonly body: Regex; readonly min: number; readonly max: number }
  | Assertion;

/** Takes no character. */
export type Assertion =
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'boundary'; readonly isNegated: boolean }
  | { readonly kind: 'look-ahead'; readonly isNegated: boolean; readonly body: Regex };

/** One alternative of a pattern whose only assertions are `^` and `$` at its ends, and which of them bind it. */
export interface RegexBranch {
  readonly startsAtStart: boolean;
  readonly endsAtEnd: boolean;
  readonly body: Regex;
}

/** Whether no part of it is an assertion: what it matches does not depend on what stands around. */
export function isPlain(regex: Regex): boolean {
  switch (regex.kind) {
    case 'set':
      return true;
    case 'sequence':
      return regex.items.every(isPlain);
    case 'choice':
      return regex.options.every(isPlain);
    case 'repeat':
      return isPlain(regex.body);
    default:
      return false;
  }
}

export function isAssertion(regex: Regex): regex is Assertion {
  return ['start', 'end', 'boundary', 'look-ahead'].includes(regex.kind);
}

/** The alternatives of a pattern that has anchors at its ends at most; undefined for others. */
export function anchoredBranches(regex: Regex): RegexBranch[] | undefined {
  const branches = (regex.kind === 'choice' ? regex.options : [regex]).map((option): RegexBranch => {
    const items = option.kind === 'sequence' ? option.items : [option];
    const startsAtStart = items[0]?.kind === 'start';
    const endsAtEnd = items.length > (startsAtStart ? 1 : 0) && items.at(-1)?.kind === 'end';
    const inner = items.slice(startsAtStart ? 1 : 0, endsAtEnd ? -1 : undefined);
    return {
      startsAtStart,
      endsAtEnd,
      body: inner.length === 1 ? inner[0]! : { kind: 'sequence', items: inner },
    };
  });
  return branches.every(({ body }) => isPlain(body)) ? branches : undefined;
}
