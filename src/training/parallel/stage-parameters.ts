/** Which stages of a pipeline have a parameter: told by the model's shape, before any weight is read. */
import type { CausalLm } from '../../models/index.js';
import type { SegmentRange } from '../step/segment-pass.js';
import { cutIntoChunks } from './cut-into-chunks.js';

/** A rank's place in the pipeline. */
export interface StagePlace {
  readonly stage: number;
  readonly stages: number;
  readonly chunksPerStage: number;
}

export class StageParameters {
  /** The segments of each chunk; chunk c is on the stage c mod `stages`. */
  readonly chunks: readonly SegmentRange[];
  readonly #stages: number;
  /** The stages that have each parameter, rising. */
  readonly #stagesOf = new Map<string, number[]>();

  constructor(model: CausalLm, { stages, chunksPerStage }: Omit<StagePlace, 'stage'>) {
    this.#stages = stages;
    this.chunks = cutIntoChunks(model.layers.length, stages * chunksPerStage);
    for (const [index, { parameters }] of model.segments().entries())
      for (const path of parameters) {
        const stage = this.stageOfSegment(index);
        this.#stagesOf.set(path, [...new Set([...(this.#stagesOf.get(path) ?? []), stage])]);
      }
  }

  stagesOf(path: string): readonly number[] {
    return this.#stagesOf.get(path) ?? [];
  }

  /** All of them, in the order of the model. */
  entries(): Iterable<readonly [path: string, stages: readonly number[]]> {
    return this.#stagesOf.entries();
  }

  /** Is a parameter on several stages? */
  get hasShared(): boolean {
    return [...this.#stagesOf.values()].some(({ length }) => length > 1);
  }

  stageOfSegment(segment: number): number {
    const chunk = this.chunks.findIndex(({ start, end }) => segment >= start && segment < end);
    return chunk % this.#stages;
  }
}
