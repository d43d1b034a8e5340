/**
 * Whether other programs use the processor. The load average alone does not tell: a measurement raises it by itself, and it
 * falls over minutes. So the share of the processors that is busy while we wait is looked at before every run, too.
 */
import { cpus, loadavg } from 'node:os';
import { setTimeout } from 'node:timers/promises';

export interface LoadSample {
  /** Average of the last minute, as `uptime` prints it; our own runs are in it. */
  readonly load: number;
  /** Cores that other programs kept busy, or that the host took, while this one waited. */
  readonly busyCores: number;
}

/** Samples the machine for so long without doing anything. @param milliseconds default 500 */
export async function sampleLoad(milliseconds = 500): Promise<LoadSample> {
  const start = idleMilliseconds();
  const started = performance.now();
  await setTimeout(milliseconds);
  const idle = (idleMilliseconds() - start) / (performance.now() - started);
  return { load: loadavg()[0] ?? 0, busyCores: Math.max(0, cpus().length - idle) };
}

/** Of all cores together. What is neither idle nor ours is somebody's, a host's that takes our time included. */
function idleMilliseconds(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}

/** Of one core: as much as the clock of a system and a shell take. */
const TOLERATED_BUSY = 0.2;
/** Over the number of cores: a measurement of ours that has just ended leaves a load of as many as there are. */
const TOLERATED_LOAD = 0.5;

/** Nobody else computes: now, nor (by the load average) lately. */
export function isQuiet({ load, busyCores }: LoadSample, cores: number): boolean {
  return busyCores <= TOLERATED_BUSY && load <= cores + TOLERATED_LOAD;
}

/** "yes (load 0.4; other programs use at most 0.05 of 2 cores)", of the noisiest sample. */
export function describeQuiet(samples: readonly LoadSample[], cores: number): string {
  const quiet = samples.length > 0 && samples.every((sample) => isQuiet(sample, cores));
  const load = Math.max(0, ...samples.map((sample) => sample.load));
  const busy = Math.max(0, ...samples.map(({ busyCores }) => busyCores));
  return `quiet: ${quiet ? 'yes' : 'no'}, load ${load.toFixed(1)}, others on ${busy.toFixed(2)} of ${cores} cores`;
}

export interface WaitForQuietOptions {
  readonly cores: number;
  /** Waits so long at most. */
  readonly seconds: number;
  readonly sample: () => Promise<LoadSample>;
  readonly onWait?: (sample: LoadSample) => void;
}

/** @returns the quiet sample; the last one, unquiet, when the time is over */
export async function waitForQuiet({
  cores,
  seconds,
  sample,
  onWait,
}: WaitForQuietOptions): Promise<LoadSample> {
  const end = performance.now() + seconds * 1000;
  let seen = await sample();
  while (!isQuiet(seen, cores) && performance.now() < end) {
    onWait?.(seen);
    seen = await sample();
  }
  return seen;
}
