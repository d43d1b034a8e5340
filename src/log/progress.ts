/** Progress on stderr: one line redrawn on a terminal, a plain line every few seconds elsewhere. */
import { writeStderr } from './stderr.js';

export interface ProgressOptions {
  /** What is being done, e.g. "pre-training". */
  readonly label: string;
  /** How many units the whole work has; undefined when nobody knows. */
  readonly total?: number;
  /** The unit, e.g. "step"; "byte" is shown in kB, MB, …. Default "step". */
  readonly unit?: string;
  /** Seconds between two lines where stderr is not a terminal. Default 5. */
  readonly plainInterval?: number;
}

const TERMINAL_INTERVAL_SECONDS = 0.1;
const BAR_WIDTH = 24;

export class Progress {
  readonly #options: ProgressOptions;
  readonly #started = performance.now();
  readonly #terminal = process.stderr.isTTY === true;
  #lastShown = Number.NEGATIVE_INFINITY;
  #done = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** Reports that `done` units are finished; `note` is shown behind (a loss, a rate). */
  update(done: number, note = ''): void {
    this.#done = done;
    const now = performance.now();
    const interval = this.#terminal ? TERMINAL_INTERVAL_SECONDS : (this.#options.plainInterval ?? 5);
    if (now - this.#lastShown < interval * 1000) return;
    this.#lastShown = now;
    this.#show(note);
  }

  /** Shows the last state and ends the line. */
  finish(note = ''): void {
    this.#show(note);
    if (this.#terminal) writeStderr('\n');
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  #amount(count: number): string {
    const { unit = 'step' } = this.#options;
    return unit === 'byte' ? formatBytes(count) : `${formatCount(count)} ${unit}s`;
  }

  #share(total: number): string {
    const { unit = 'step' } = this.#options;
    return unit === 'byte'
      ? `${formatBytes(this.#done)} of ${formatBytes(total)}`
      : `${this.#done}/${total} ${unit}s`;
  }

  #show(note: string): void {
    const { label, total, unit = 'step' } = this.#options;
    const rate = this.#done / Math.max(this.seconds, 1e-9);
    const parts = [
      total === undefined ? this.#amount(this.#done) : this.#share(total),
      `${unit === 'byte' ? formatBytes(rate) : `${formatCount(rate)} ${unit}s`}/s`,
    ];
    if (total !== undefined && this.#done > 0 && this.#done < total)
      parts.push(`${formatDuration((total - this.#done) / rate)} left`);
    else parts.push(formatDuration(this.seconds));
    if (note !== '') parts.push(note);
    if (!this.#terminal) {
      writeStderr(`${label}: ${parts.join(', ')}\n`);
      return;
    }
    const filled = total === undefined ? 0 : Math.round((BAR_WIDTH * this.#done) / Math.max(total, 1));
    const bar = total === undefined ? '' : `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} `;
    const width = (process.stderr.columns ?? 100) - 1;
    writeStderr(`\r\u001b[K${`${label} ${bar}${parts.join(', ')}`.slice(0, width)}`);
  }
}

/** 1234567 -> "1.23M"; three significant digits. */
export function formatCount(value: number): string {
  for (const [limit, suffix] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (value >= limit) return `${(value / limit).toPrecision(3)}${suffix}`;
  return Number.isInteger(value) ? String(value) : value.toPrecision(3);
}

/** 1234567 -> "1.23 MB"; three significant digits, powers of ten. */
export function formatBytes(bytes: number): string {
  for (const [limit, suffix] of [
    [1e12, 'TB'],
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ] as const)
    if (bytes >= limit) return `${(bytes / limit).toPrecision(3)} ${suffix}`;
  return `${Math.round(bytes)} bytes`;
}

/** Seconds as "12 s", "3 min 05 s", "2 h 10 min". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
