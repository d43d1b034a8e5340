/**
 * In which order the stages of a pipeline compute. A model is cut into chunks that follow one another, dealt out to the stages in
 * turn: chunk c is stage c mod P's. With one chunk a stage that is 1F1B (Narayanan et al. 2019, PipeDream; 2021, arXiv 2104.04473), with
 * several the interleaved schedule of the latter, section 2.2: micro-batches in groups of P, each group through all chunks.
 *
 * The order is found by playing the step through, a backward pass taking twice as long as a forward pass: a stage goes backward
 * and forward in turn, forward while it holds few enough micro-batches. It is one that all stages can keep to, whatever the
 * number of micro-batches, and every stage finds the same for all.
 */
export interface PipelineAction {
  readonly kind: 'forward' | 'backward';
  readonly microBatch: number;
  /** Of the model, not of the stage. */
  readonly chunk: number;
}

export interface PipelineSize {
  readonly stages: number;
  /** Chunks of each stage. */
  readonly chunksPerStage: number;
  readonly microBatches: number;
}

export interface PipelinePlan {
  /** By stage. */
  readonly actions: readonly (readonly PipelineAction[])[];
  /** When the last action ends, in forward passes of a chunk. */
  readonly time: number;
}

const DURATION = { forward: 1, backward: 2 } as const;

export function planPipeline(size: PipelineSize): PipelinePlan {
  const { stages } = size;
  const players = Array.from({ length: stages }, (_, stage) => new Player(stage, size));
  const ends = new Map<string, number>();
  const isDone = (kind: PipelineAction['kind'], microBatch: number, chunk: number, now: number): boolean =>
    (ends.get(keyOf({ kind, microBatch, chunk })) ?? Number.POSITIVE_INFINITY) <= now;
  let now = 0;
  for (; players.some((player) => !player.isThrough); now++) {
    const isReady = ({ kind, microBatch, chunk }: PipelineAction): boolean => {
      if (kind === 'forward') return chunk === 0 || isDone('forward', microBatch, chunk - 1, now);
      const isLast = chunk === stages * size.chunksPerStage - 1;
      return (
        isDone('forward', microBatch, chunk, now) &&
        (isLast || isDone('backward', microBatch, chunk + 1, now))
      );
    };
    const begun = players.filter((player) => player.begin(now, isReady, false));
    const isIdle = players.every((player) => player.isFree(now) || player.isThrough);
    // Nobody can go on with so few micro-batches.
    const pushed =
      begun.length === 0 && isIdle ? players.find((player) => player.begin(now, isReady, true)) : undefined;
    for (const { last } of pushed === undefined ? begun : [pushed])
      if (last !== undefined) ends.set(keyOf(last), now + DURATION[last.kind]);
  }
  return { actions: players.map(({ actions }) => actions), time: Math.max(...ends.values()) };
}

/** One stage. */
class Player {
  readonly actions: PipelineAction[] = [];
  readonly #forwards: readonly PipelineAction[];
  readonly #backwards: readonly PipelineAction[];
  /** Micro-batches, each for each chunk, that it may hold. */
  readonly #most: number;
  #forwardsDone = 0;
  #backwardsDone = 0;
  #freeAt = 0;

  constructor(stage: number, { stages, chunksPerStage, microBatches }: PipelineSize) {
    const order = (chunks: readonly number[]): Omit<PipelineAction, 'kind'>[] =>
      groupsOf(microBatches, stages).flatMap((group) =>
        chunks.flatMap((chunk) => group.map((microBatch) => ({ microBatch, chunk }))),
      );
    const own = Array.from({ length: chunksPerStage }, (_, index) => index * stages + stage);
    this.#forwards = order(own).map((action) => ({ kind: 'forward', ...action }));
    this.#backwards = order(own.reverse()).map((action) => ({ kind: 'backward', ...action }));
    const behind = stages - stage - 1;
    this.#most = chunksPerStage === 1 ? behind + 1 : 2 * behind + (chunksPerStage - 1) * stages + 1;
  }

  get isThrough(): boolean {
    return this.#backwardsDone === this.#backwards.length;
  }

  get last(): PipelineAction | undefined {
    return this.actions.at(-1);
  }

  isFree(now: number): boolean {
    return this.#freeAt <= now;
  }

  /** @param mayHoldMore one micro-batch more than it should @returns false if there is nothing that it can do */
  begin(now: number, isReady: (action: PipelineAction) => boolean, mayHoldMore: boolean): boolean {
    if (!this.isFree(now)) return false;
    const backward = this.#backwards[this.#backwardsDone];
    const forward = this.#forwards[this.#forwardsDone];
    const mayGoOn = mayHoldMore || this.#forwardsDone - this.#backwardsDone < this.#most;
    const canGoBack = backward !== undefined && isReady(backward);
    const canGoOn = forward !== undefined && mayGoOn && isReady(forward);
    // In turn where both can be done: a stage further on may be waiting for either.
    if (canGoBack && !(canGoOn && this.last?.kind === 'backward')) this.#take(backward, now);
    else if (canGoOn) this.#take(forward, now);
    else return false;
    return true;
  }

  #take(action: PipelineAction, now: number): void {
    this.actions.push(action);
    this.#freeAt = now + DURATION[action.kind];
    if (action.kind === 'forward') this.#forwardsDone += 1;
    else this.#backwardsDone += 1;
  }
}

function groupsOf(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, group) =>
    Array.from({ length: Math.min(size, count - group * size) }, (_unused, place) => group * size + place),
  );
}

export function keyOf({ kind, microBatch, chunk }: PipelineAction): string {
  return `${kind} ${microBatch} ${chunk}`;
}
