/** Suggestions for misspelt names, by edit distance. */

/** Longer words are no typing errors of each other; the bound keeps foreign input cheap. */
const MAX_LENGTH = 80;

/**
 * The candidate that `word` is most likely a misspelling of: the nearest by Damerau-Levenshtein distance, at most
 * a third of the letters wrong. Case, `-` and `_` make no difference. Of equals the first wins.
 */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > MAX_LENGTH) return undefined;
  const wanted = fold(word);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    if (candidate === word || candidate.length > MAX_LENGTH) continue;
    const distance = editDistance(wanted, fold(candidate));
    const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 3));
    if (distance <= allowed && distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** " Did you mean `x`?" to append to a message, or nothing. */
export function didYouMeanHint(word: string, candidates: Iterable<string>): string {
  const candidate = didYouMean(word, candidates);
  return candidate === undefined ? '' : ` Did you mean \`${candidate}\`?`;
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[-_]/g, '');
}

/**
 * Insertions, deletions, exchanges and swaps of neighbours that turn `a` into `b`, no part edited twice
 * (optimal string alignment). Three rolling rows: before the last, last, current.
 */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        last[column]! + 1,
        current[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, beforeLast[column - 2]! + 1);
      }
      current.push(distance);
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length]!;
}
