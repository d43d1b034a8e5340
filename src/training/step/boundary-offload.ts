/** Keeps the boundaries between segments in host memory while other segments compute. */
import { noGrad } from '../../tensor/index.js';
import type { SegmentRun, SegmentSteps } from './segment-steps.js';

/** Only boundaries that no graph holds: moving the others would free nothing. A model on the CPU is left alone. */
export class BoundaryOffload implements SegmentSteps {
  readonly #device: string;

  /** @param device of the model */
  constructor(device: string) {
    this.#device = device;
  }

  afterForward(segment: SegmentRun): void {
    if (segment.hasFreeInput) move(segment, 'cpu');
  }

  beforeBackward(segment: SegmentRun): void {
    move(segment, this.#device);
  }
}

function move(segment: SegmentRun, device: string): void {
  const { input } = segment;
  if (input === undefined || input.device === device) return;
  segment.input = noGrad(() => input.toDevice(device)).setRequiresGrad(input.requiresGrad);
  input.dispose();
}
