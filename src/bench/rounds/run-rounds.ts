/** The sides in turns, round after round, the machine's load noted before each run. */
import type { LoadSample } from '../machine/machine-load.js';
import type { Side, SideRun } from './side.js';

export interface RoundRun extends SideRun {
  /** From 1. */
  readonly round: number;
  /** Of the side: its place among them. */
  readonly side: number;
  readonly before: LoadSample;
}

export interface RunRoundsOptions {
  readonly sides: readonly Side[];
  readonly rounds: number;
  /** No further round is begun that would end later than so many seconds from the start. The first is run whatever it takes. */
  readonly seconds: number;
  readonly run: (side: Side) => Promise<SideRun>;
  /** Told before each run; may wait until the machine is quiet. */
  readonly sampleLoad: () => Promise<LoadSample>;
  readonly onRun?: ((run: RoundRun) => void) | undefined;
}

/** @returns the runs in the order in which they were made: side 0, side 1, side 0, side 1, … */
export async function runRounds({
  sides,
  rounds,
  seconds,
  run,
  sampleLoad,
  onRun,
}: RunRoundsOptions): Promise<RoundRun[]> {
  const runs: RoundRun[] = [];
  const started = performance.now();
  let longest = 0;
  for (let round = 1; round <= rounds; round++) {
    const begun = performance.now();
    if (round > 1 && (begun - started) / 1000 + longest > seconds) break;
    for (const [place, side] of sides.entries()) {
      const before = await sampleLoad();
      const made = { round, side: place, before, ...(await run(side)) };
      runs.push(made);
      onRun?.(made);
    }
    longest = Math.max(longest, (performance.now() - begun) / 1000);
  }
  return runs;
}
