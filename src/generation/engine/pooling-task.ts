/** A task that asks for the pooled hidden states of its prompt; nothing is generated. */
import type { FinishReason, GenerationRequest, Pooling } from '../requests.js';
import { HiddenStatesPooler } from './hidden-states-pooler.js';
import type { Sequence } from './sequence.js';
import type { Task, TaskOutput } from './task.js';

export class PoolingTask implements Task {
  readonly id: string;
  readonly request: GenerationRequest;
  readonly sequences: readonly [Sequence];
  readonly pooler: HiddenStatesPooler;
  readonly isHeld = false;
  finish: { readonly reason: FinishReason; readonly stopId: number | undefined } | undefined;

  constructor(id: string, request: GenerationRequest, pooling: Pooling, sequence: Sequence) {
    this.id = id;
    this.request = request;
    this.sequences = [sequence];
    this.pooler = new HiddenStatesPooler(request, pooling);
  }

  draft(): readonly number[] {
    return [];
  }

  /** The whole prompt has run. */
  take(): number {
    this.finish = { reason: 'stop', stopId: undefined };
    return 0;
  }

  takeHeld(): boolean {
    return false;
  }

  endStep(): TaskOutput {
    const embedding = this.finish === undefined ? undefined : this.pooler.finish();
    return { ids: [], logProbs: undefined, beams: undefined, embedding };
  }

  dispose(): void {}
}
