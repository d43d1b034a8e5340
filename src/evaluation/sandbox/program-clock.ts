/** The time that a confined program has had: not what it waited for a processor on a busy machine. */
import { readFileSync } from 'node:fs';

/** Waiting counts no longer beyond so many times the time that counted. */
const MOST_WAITING = 10;

export class ProgramClock {
  readonly #pid: number | undefined;
  readonly #started = performance.now();
  readonly #waitedBefore: number;

  /** @param pid of the outermost process around the program */
  constructor(pid: number | undefined) {
    this.#pid = pid === undefined ? undefined : innermost(pid);
    this.#waitedBefore = waited(this.#pid);
  }

  seconds(): number {
    const passed = (performance.now() - this.#started) / 1000;
    return Math.max(passed - (waited(this.#pid) - this.#waitedBefore), passed / MOST_WAITING);
  }
}

/** The process at the end of a chain of only children. */
function innermost(pid: number): number {
  const [child] = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ');
  return child === undefined || child === '' ? pid : innermost(Number(child));
}

/** Seconds that a process was ready to run and did not; 0 where the system does not tell. */
function waited(pid: number | undefined): number {
  const [, nanoseconds = ''] = pid === undefined ? [] : read(`/proc/${pid}/schedstat`).split(' ');
  return Number(nanoseconds) / 1e9 || 0;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
