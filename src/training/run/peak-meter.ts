/** The highest memory of this process up to its last step: what comes behind (the whole model on one rank) is not a step's. */
import { peakResidentBytes } from '../plan/process-memory.js';
import type { RunObserver } from '../watch/observer.js';

export class PeakMeter implements RunObserver {
  bytes = 0;

  step(): void {
    this.bytes = peakResidentBytes();
  }

  close(): void {}
}
