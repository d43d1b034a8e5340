/** The lines that a rank sends its launcher: {"step", "phase", "seconds" since the mark}, or {} before the first mark. */
import { z } from 'zod';
import type { MarkReading } from './shared-mark.js';

/** Names the descriptor of the pipe to the launcher; set by the launcher alone. */
export const LAUNCHER_PIPE = 'XINGHE_LAUNCHER_PIPE';
export const BEAT_MILLISECONDS = 500;

const beatSchema = z.object({ step: z.number(), phase: z.string(), seconds: z.number() });

export function formatBeat(mark: MarkReading | undefined): string {
  return JSON.stringify(mark ?? {});
}

/** undefined for a beat without a mark. */
export function parseBeat(line: string): MarkReading | undefined {
  try {
    return beatSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
