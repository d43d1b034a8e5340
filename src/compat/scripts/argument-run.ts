/** What the arguments of a training program come to, before our own keys are laid over. */
import type { ImportedRun, TrainInput } from '../imported-run.js';

export interface ArgumentRun extends Omit<ImportedRun, 'train'> {
  readonly train: TrainInput;
  /** Keys of ours among the overrides. */
  readonly own: Readonly<Record<string, unknown>> | undefined;
  /** Go on from the last checkpoint, or from the named one. */
  readonly resume: boolean | string;
  /** Another file than the launch line says how many devices there are. */
  readonly knowsDevices?: boolean;
  readonly zeroStage: 0 | 1 | 2 | 3;
}
