/** Which of its forms each part of a model gets, so that together they fit a number of bytes and lose least. */

export interface LevelChoice {
  /** Of each level, from the smallest on; bytes grow. */
  readonly levels: readonly { readonly bytes: number; readonly loss: number }[];
}

/**
 * From the smallest of all on, the step that saves the most loss for its bytes comes first, as long as there is room.
 * @returns the level of each part; undefined where the smallest of all are too large
 */
export function chooseLevels(parts: readonly LevelChoice[], budget: number): number[] | undefined {
  const chosen = parts.map(() => 0);
  let left = budget - smallestBytes(parts);
  if (left < 0) return undefined;
  for (;;) {
    let best: { part: number; level: number; bytes: number; gain: number } | undefined;
    for (const [part, { levels }] of parts.entries()) {
      const now = levels[chosen[part] ?? 0];
      if (now === undefined) continue;
      for (const [level, { bytes, loss }] of levels.entries()) {
        const more = bytes - now.bytes;
        const gain = (now.loss - loss) / more;
        if (level > (chosen[part] ?? 0) && more <= left && gain > (best?.gain ?? 0))
          best = { part, level, bytes: more, gain };
      }
    }
    if (best === undefined) return chosen;
    chosen[best.part] = best.level;
    left -= best.bytes;
  }
}

export function smallestBytes(parts: readonly LevelChoice[]): number {
  return parts.reduce((sum, { levels }) => sum + (levels[0]?.bytes ?? 0), 0);
}
