/** Remaining time of a run, by the pace of its last steps. */
import type { StepRecord } from './observer.js';

/** How much of the pace is forgotten at each step: the last 50 or so count. */
const FORGET = 0.02;

/**
 * A function that is told every step and gives the seconds to the last one; undefined before two steps are known.
 * The time of saving and evaluation between the steps counts; a resumed run is judged by its own steps.
 */
export function remainingSeconds(): (record: StepRecord) => number | undefined {
  let last: { readonly step: number; readonly elapsed: number } | undefined;
  let pace: number | undefined; // Seconds a step.
  let weight = 0;
  return ({ step, totalSteps, elapsedSeconds }) => {
    if (last !== undefined && step > last.step) {
      const found = (elapsedSeconds - last.elapsed) / (step - last.step);
      // A mean of the few first ones, then one that forgets.
      weight += 1;
      pace = (pace ?? found) + (found - (pace ?? found)) * Math.max(FORGET, 1 / weight);
    }
    last = { step, elapsed: elapsedSeconds };
    return pace === undefined ? undefined : pace * Math.max(totalSteps - step, 0);
  };
}
