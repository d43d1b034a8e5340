/**
 * What a step holds, phase by phase: it is played through as the trainer does it, segment by segment, and of a pipeline in the order in
 * which this stage takes its micro-batches.
 */
import { planPipeline } from '../step/plan-pipeline.js';
import type { Recompute } from '../step/segments.js';
import type { PlannedModel } from './planned-model.js';
import { type PlannedStage, segmentsOf } from './planned-stage.js';
import { type RankLayout, ranksOf, replicasOf } from './rank-layout.js';
import type { SegmentMemory } from './segment-memory.js';

/** One phase of a step, without what is always there. */
export interface StepPhase {
  readonly name: string;
  readonly gradients: number;
  readonly activations: number;
  readonly working: number;
}

export interface StepShape {
  readonly model: PlannedModel;
  readonly stage: PlannedStage;
  readonly layout: RankLayout;
  readonly recompute: Recompute;
  readonly accumulation: number;
  /** Of every segment of the model. */
  readonly segments: readonly SegmentMemory[];
  /** Bytes of its parameters, of which other ranks keep their part with zero 3. */
  readonly weights: readonly number[];
  /** Of a hidden state between segments. */
  readonly boundary: number;
  /** Of rotary tables, for each pass that is held. */
  readonly rotary: number;
  /** Bytes of a gradient that is summed, as a multiple of one that is fresh. */
  readonly summedWidth: number;
  /** What the optimiser needs for a moment. */
  readonly update: number;
  /** Forward pass of a teacher, undefined: there is none. */
  readonly teacher: number | undefined;
}

/** Micro-batches of a pipeline that are played through, for each of its stages: behind them all goes on as it went. */
const PLAYED_ROUNDS = 3;

export function phasesOf(shape: StepShape): StepPhase[] {
  const walk = new StepWalk(shape);
  const { stage, accumulation } = shape;
  const { stages, chunks } = stage;
  if (shape.teacher !== undefined) walk.teacher(shape.teacher);
  if (stages === 1) {
    // The last micro-batch of a step: the sums of those before are there.
    if (accumulation > 1) walk.sumAll();
    walk.forward(0, 0);
    walk.backward(0, 0, true);
  } else {
    const chunksPerStage = chunks.length;
    const microBatches = Math.min(accumulation, PLAYED_ROUNDS * stages * chunksPerStage);
    const { actions } = planPipeline({ stages, chunksPerStage, microBatches });
    for (const { kind, microBatch, chunk } of actions[stage.stage] ?? []) {
      const piece = Math.floor(chunk / stages);
      if (kind === 'forward') walk.forward(piece, microBatch);
      else walk.backward(piece, microBatch, microBatch === microBatches - 1);
    }
  }
  walk.optimise();
  return walk.phases;
}

class StepWalk {
  readonly phases: StepPhase[] = [];
  readonly #shape: StepShape;
  readonly #head: number;
  /** Kept for the backward pass, by piece and micro-batch. */
  readonly #held = new Map<string, number>();
  /** Segments whose gradients have been summed before. */
  readonly #summed = new Set<number>();
  readonly #isRank: boolean;
  readonly #summedWidth: number;
  /** What a rank keeps of a sum. */
  readonly #share: number;
  readonly #finalShare: number;
  /** Gloo scatters a sum out of a copy of what is summed. */
  readonly #copies: number;
  readonly #isEager: boolean;

  constructor(shape: StepShape) {
    const { layout, accumulation, model } = shape;
    this.#shape = shape;
    this.#head = model.blocks.length + 1;
    this.#isRank = ranksOf(layout) > 1;
    this.#summedWidth = this.#isRank || accumulation > 1 ? shape.summedWidth : 1;
    this.#finalShare = layout.zero === 0 ? 1 : 1 / replicasOf(layout);
    this.#share = accumulation > 1 && layout.zero < 2 ? 1 : this.#finalShare;
    this.#copies = layout.zero === 0 || !this.#isRank ? 0 : 1;
    this.#isEager = layout.zero > 1 || accumulation === 1;
  }

  teacher(working: number): void {
    this.#add('forward of the teacher', { working });
  }

  /** All micro-batches but the last are through. */
  sumAll(): void {
    for (const segment of segmentsOf(this.#shape.stage)) this.#summed.add(segment);
  }

  forward(piece: number, microBatch: number): void {
    const { boundary, rotary } = this.#shape;
    const key = `${piece} ${microBatch}`;
    // What the embedding gives, or what came from the stage before.
    const others = this.#heldBytes();
    let kept = boundary + (this.#isPipeline ? rotary : 0);
    for (const segment of this.#segmentsOf(piece)) {
      if (segment === 0) continue;
      const { forward, kept: own } = this.#memoryOf(segment);
      const next = segment === this.#head ? segment - 1 : segment + 1;
      this.#add(`forward of ${this.#nameOf(segment)}`, {
        activations: others + kept,
        working: forward + this.#gathered(segment, next),
      });
      kept += this.#isAgain(segment) ? boundary : own;
    }
    this.#held.set(key, kept);
  }

  backward(piece: number, microBatch: number, isLast: boolean): void {
    const { boundary } = this.#shape;
    const key = `${piece} ${microBatch}`;
    let kept = this.#held.get(key) ?? 0;
    this.#held.delete(key);
    const others = this.#heldBytes();
    const isSummed = this.#isRank && (isLast || this.#isEager);
    let behind: number | undefined;
    for (const segment of [...this.#segmentsOf(piece)].reverse()) {
      const own = this.#memoryOf(segment);
      const gradients = this.#sums() + this.#sent(behind);
      const isHead = segment === this.#head;
      const gathered = this.#gathered(segment, segment - 1);
      if (segment === 0) {
        this.#add('backward of the embedding', {
          gradients,
          activations: others + 2 * boundary,
          working: own.gradients,
        });
      } else if (isHead) {
        kept -= own.kept;
        this.#add('backward of the head', {
          gradients,
          activations: others + kept,
          working: own.kept + own.backward + gathered,
        });
      } else {
        // The gradient of its output is there; the output itself is not kept for a block that is computed again.
        if (this.#isAgain(segment)) {
          kept -= boundary;
          this.#add(`second forward of ${this.#nameOf(segment)}`, {
            gradients,
            activations: others + kept,
            working: own.forward + boundary + gathered,
          });
        } else kept -= own.kept;
        this.#add(`backward of ${this.#nameOf(segment)}`, {
          gradients,
          activations: others + kept,
          working: own.kept + own.backward + boundary + gathered,
        });
      }
      if (isSummed) this.#sum(segment, gradients, others + kept, gathered);
      this.#summed.add(segment);
      if (isSummed) behind = segment;
    }
  }

  optimise(): void {
    const { accumulation, update } = this.#shape;
    const share = accumulation > 1 ? this.#share : this.#finalShare;
    const gradients = segmentsOf(this.#shape.stage).reduce(
      (sum, segment) => sum + this.#gradientsOf(segment) * this.#summedWidth * share,
      0,
    );
    this.#add('optimiser', { gradients, working: update });
  }

  /** The gradients of a segment beside one another, as they are summed over the ranks. */
  #sum(segment: number, gradients: number, activations: number, gathered: number): void {
    const { boundary, layout, accumulation } = this.#shape;
    // Of several micro-batches they have been counted.
    const own = accumulation > 1 && layout.zero < 2 ? 1 : 2;
    this.#add(`sum of the gradients of ${this.#nameOf(segment)}`, {
      gradients: gradients + (own + this.#copies) * this.#memoryOf(segment).gradients * this.#summedWidth,
      activations,
      working: 2 * boundary + gathered,
    });
  }

  #add(name: string, { gradients = this.#sums(), activations = 0, working = 0 }: Partial<StepPhase>): void {
    // The gradient that goes to the stage before is held until that has it.
    const sent = this.#isPipeline && this.#shape.stage.stage > 0 ? this.#shape.boundary : 0;
    this.phases.push({ name, gradients, activations: activations + sent, working });
  }

  get #isPipeline(): boolean {
    return this.#shape.stage.stages > 1;
  }

  #heldBytes(): number {
    return [...this.#held.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  #segmentsOf(piece: number): readonly number[] {
    return this.#shape.stage.chunks[piece] ?? [];
  }

  #memoryOf(segment: number): SegmentMemory {
    const memory = this.#shape.segments[segment];
    if (memory === undefined) throw new TypeError(`no segment ${segment}`);
    return memory;
  }

  #nameOf(segment: number): string {
    if (segment === 0) return 'the embedding';
    return segment === this.#head ? 'the head' : `block ${segment}`;
  }

  #isAgain(segment: number): boolean {
    return segment < this.#head && isRecomputed(this.#shape.recompute, segment - 1);
  }

  /** A tied table has one gradient, where both ends are here. */
  #gradientsOf(segment: number): number {
    const { model, stage } = this.#shape;
    const isCounted = segment === 0 && model.tied && segmentsOf(stage).includes(this.#head);
    return isCounted ? 0 : this.#memoryOf(segment).gradients;
  }

  #sums(): number {
    return [...this.#summed].reduce(
      (sum, segment) => sum + this.#gradientsOf(segment) * this.#summedWidth * this.#share,
      0,
    );
  }

  /** The sum of a segment's gradients that is on its way, while the one before it computes. */
  #sent(segment: number | undefined): number {
    if (segment === undefined) return 0;
    return this.#memoryOf(segment).gradients * 2 * this.#copies * this.#summedWidth;
  }

  /** Parameters of a segment that other ranks keep, and of the one that is gathered meanwhile. */
  #gathered(segment: number, next: number): number {
    const { layout, weights, stage } = this.#shape;
    if (layout.zero !== 3) return 0;
    const here = segmentsOf(stage);
    return [segment, next].reduce((sum, one) => sum + (here.includes(one) ? (weights[one] ?? 0) : 0), 0);
  }
}

function isRecomputed(recompute: Recompute, layer: number): boolean {
  if (recompute === 'none') return false;
  if (recompute === 'full') return true;
  return 'every' in recompute ? layer % recompute.every === 0 : recompute.layers.includes(layer);
}
