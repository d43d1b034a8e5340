/**
 * One step: runs the scheduled tokens through the model and gives each task its logits.
 *
 * Shapes: T tokens of all sequences, D hidden, R rows with logits, V vocabulary.
 */
import type { PagedKvCache } from '../../nn/index.js';
import { isInvariantLinear, noGrad, scope, setInvariantLinear, type Tensor } from '../../tensor/index.js';
import type { LogitsRow } from '../sampling-parameters.js';
import type { BlockPool } from './block-pool.js';
import type { ModelRunner } from './model-runner.js';
import { takeLogProbs, type WantedLogProbs } from './prompt-log-probs-collector.js';
import type { PlannedChunk } from './scheduler.js';
import { attempt, type ScheduledTask } from './task.js';

export class StepRunner {
  readonly #runner: ModelRunner;
  readonly #pool: BlockPool;
  readonly #cache: PagedKvCache;
  /** Tokens of prompts that have run. */
  promptTokens = 0;
  draftTokens = 0;
  acceptedDraftTokens = 0;

  /** Owns the model runner. */
  constructor(runner: ModelRunner, pool: BlockPool, cache: PagedKvCache) {
    this.#runner = runner;
    this.#pool = pool;
    this.#cache = cache;
  }

  /** Runs the chunks, hands the logits on, and gives back the blocks that are out of their windows. */
  run(chunks: readonly PlannedChunk[]): void {
    withInvariantLinear(() => noGrad(() => scope(() => this.#run(chunks))));
  }

  dispose(): void {
    this.#runner.dispose();
  }

  #run(chunks: readonly PlannedChunk[]): void {
    const inputs = chunks.map(({ sequence, count, drafts, length }) => {
      const ids = [...sequence.tokens.slice(sequence.computed, sequence.computed + count), ...drafts];
      sequence.writeAttentionMask(ids, this.#cache);
      return { ids, position: sequence.computed, blocks: sequence.blocks, length, adapter: sequence.adapter };
    });
    const hidden = this.#runner.run(inputs); // [1, T, D]
    const rows: number[] = [];
    let first = 0;
    for (const [index, { scheduled, sequence, count, drafts }] of chunks.entries()) {
      if (count === sequence.pending && choosesToken(scheduled))
        for (let row = first + count - 1; row < first + count + drafts.length; row++) rows.push(row);
      first += inputs[index]?.ids.length ?? 0;
    }
    this.#takeHidden(chunks, hidden);
    const logits = rows.length === 0 ? undefined : this.#runner.head(hidden, rows); // [R, V]
    this.#take(chunks, logits);
  }

  #take(chunks: readonly PlannedChunk[], logits: Tensor | undefined): void {
    const numbers = logits?.toFloat32Array() ?? new Float32Array(0);
    const width = logits?.size(1) ?? 0;
    let row = 0;
    const next = (): LogitsRow => numbers.subarray(row * width, ++row * width);
    for (const { scheduled, sequence, count, drafts } of chunks) {
      const fresh = Math.min(sequence.computed + count, sequence.promptLength) - sequence.computed;
      this.promptTokens += Math.max(0, fresh);
      let kept = count;
      if (count === sequence.pending) {
        const rows = choosesToken(scheduled) ? Array.from({ length: drafts.length + 1 }, next) : [];
        const accepted = attempt(scheduled, () => scheduled.task.take(sequence, drafts, rows)) ?? 0;
        kept += accepted;
        this.draftTokens += drafts.length;
        this.acceptedDraftTokens += accepted;
      }
      sequence.advance(kept, this.#pool);
    }
  }

  #takeHidden(chunks: readonly PlannedChunk[], hidden: Tensor): void {
    let first = 0;
    const wanted: WantedLogProbs[] = [];
    for (const { scheduled, sequence, count, drafts } of chunks) {
      const { promptLogProbsCollector, task } = scheduled;
      const own = promptLogProbsCollector?.wanted(first, sequence.computed, count);
      if (own !== undefined) wanted.push(own);
      task.pooler?.add(this.#runner, hidden, first, sequence.computed, count);
      first += count + drafts.length;
    }
    takeLogProbs(this.#runner, hidden, wanted);
  }
}

/** Whether logits behind the last token are of use: a request that writes nothing has none. */
function choosesToken({ task }: ScheduledTask): boolean {
  const { maxNewTokens, beams } = task.request;
  return task.pooler === undefined && (maxNewTokens > 0 || beams !== undefined);
}

/** Products whose rows do not feel each other, for the length of a step: training and comparison keep their own. */
export function withInvariantLinear(body: () => void): void {
  const before = isInvariantLinear();
  setInvariantLinear(true);
  try {
    body();
  } finally {
    setInvariantLinear(before);
  }
}
