/**
 * stderr, which may be a full disk or a pipe that nobody reads any more. What cannot be written there is lost and counted:
 * no service and no run ends for want of its log.
 */
import { writeSync } from 'node:fs';

const STDERR = 2;
let lost = 0;
let receiver: ((text: string) => void) | undefined;
/** Node's stream takes nothing more after its first fault; the file behind it may have room again. */
let isBroken = false;
let isWatched = false;

/** Who gets what would go to stderr; it must not throw. undefined: stderr again. */
export function redirectStderr(to: ((text: string) => void) | undefined): void {
  receiver = to;
}

export function writeStderr(text: string): void {
  if (receiver !== undefined) {
    receiver(text);
    return;
  }
  watchStderr();
  if (!isBroken) {
    try {
      process.stderr.write(text, (error) => {
        if (error instanceof Error) lost += 1;
      });
      return;
    } catch {
      isBroken = true;
    }
  }
  try {
    const bytes = Buffer.from(text);
    for (let start = 0; start < bytes.length; ) start += writeSync(STDERR, bytes, start);
  } catch {
    lost += 1;
  }
}

/** Texts that could not be written since the process began. */
export function lostLogLines(): number {
  return lost;
}

/** Also for what writes to stderr without us: readline, warnings of Node. */
export function watchStderr(): void {
  if (isWatched) return;
  isWatched = true;
  process.stderr.on('error', () => {
    isBroken = true;
  });
}

/** As `process.stderr`, for who draws on it. */
export const stderrStream = {
  get isTTY(): boolean {
    return process.stderr.isTTY === true;
  },
  get columns(): number | undefined {
    return process.stderr.columns;
  },
  write: writeStderr,
};
