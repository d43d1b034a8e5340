/**
 * The next match of a pattern (flags g and u) in a text of any length. JavaScript's engine keeps a note for every
 * character of a run that it may give back, 64 MB of them, and throws beyond that: a run of some millions of characters that
 * are not Latin is too long for it. Such texts are matched chunk by chunk.
 */
export interface Match {
  readonly start: number;
  readonly end: number;
}

export function nextMatch(text: string, pattern: RegExp, from: number): Match | undefined {
  try {
    return matchIn(text, pattern, from);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return matchByChunks(text, pattern, from);
  }
}

function matchIn(text: string, pattern: RegExp, from: number): Match | undefined {
  pattern.lastIndex = from;
  const match = pattern.exec(text);
  return match === null ? undefined : { start: match.index, end: match.index + match[0].length };
}

const CHUNK = 2 ** 20;
/** A match that ends nearer to the end of its chunk might end elsewhere in the whole text. */
const MARGIN = 64;

/**
 * A match that fills its chunk goes on in the next one as a match that begins inside the run: right for patterns of tokenizers,
 * whose long matches are runs of characters of one kind.
 */
function matchByChunks(text: string, pattern: RegExp, from: number): Match | undefined {
  let at = from;
  for (;;) {
    const found = matchInChunk(text, pattern, at);
    if (found !== undefined) {
      if (isSure(found, text, at)) return found;
      if (found.start <= at + MARGIN) return { start: found.start, end: endOfRun(text, pattern, found) };
      at = found.start; // Again, with a whole chunk behind it.
      continue;
    }
    if (at + CHUNK >= text.length) return undefined;
    at = boundary(text, at + CHUNK - MARGIN);
  }
}

function isSure({ end }: Match, text: string, chunkStart: number): boolean {
  const chunkEnd = chunkStart + CHUNK;
  return chunkEnd >= text.length || end < chunkEnd - MARGIN;
}

function endOfRun(text: string, pattern: RegExp, first: Match): number {
  let { end } = first;
  for (;;) {
    const inside = boundary(text, end - MARGIN);
    const found = matchInChunk(text, pattern, inside);
    if (found === undefined || found.start !== inside || found.end <= end) return end;
    end = found.end;
    if (isSure(found, text, inside)) return end;
  }
}

/** With some text before it, for look-behinds. */
function matchInChunk(text: string, pattern: RegExp, at: number): Match | undefined {
  const before = boundary(text, Math.max(0, at - MARGIN));
  const found = matchIn(text.slice(before, at + CHUNK), pattern, at - before);
  return found === undefined ? undefined : { start: found.start + before, end: found.end + before };
}

/** Not between the halves of a surrogate pair. */
function boundary(text: string, at: number): number {
  return at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xffff ? at - 1 : at;
}
