/**
 * Which tokens run in the next step: running sequences first, one token each (with drafts) or a chunk of their prompt,
 * then waiting ones as far as the token budget, slots and blocks allow. When blocks run out, the latest sequence is
 * preempted and starts again later from what is still cached.
 */
import type { CausalLm } from '../../models/index.js';
import { BLOCK_SIZE } from '../../nn/index.js';
import type { BlockPool } from './block-pool.js';
import type { ResolvedSettings } from './engine-options.js';
import { rotaryKey } from './model-runner.js';
import { PendingPrefixes } from './pending-prefixes.js';
import type { Sequence } from './sequence.js';
import { insertInOrder, type ScheduledTask } from './task.js';

export type SchedulerOptions = Pick<
  ResolvedSettings,
  'maxSequences' | 'maxBatchTokens' | 'targetStepMs' | 'prefixCache' | 'maxDrafts' | 'maxDraftingSequences'
>;

/** What one sequence runs in a step. */
export interface PlannedChunk {
  readonly scheduled: ScheduledTask;
  readonly sequence: Sequence;
  /** Pending tokens to run, from `sequence.computed` on. */
  readonly count: number;
  /** Ids beyond the known tokens. */
  readonly drafts: readonly number[];
  /** The length that the rotation goes by. */
  readonly length: number;
}

const SMALLEST_PREFILL = 16;

export class Scheduler {
  readonly #model: Pick<CausalLm, 'rotaryParameters'>;
  readonly #pool: BlockPool;
  readonly #options: SchedulerOptions;
  /** In order of priority, then arrival. */
  readonly #waiting: ScheduledTask[] = [];
  readonly #running: ScheduledTask[] = [];
  readonly #pendingPrefixes = new PendingPrefixes();
  #tokensPerMs: number | undefined;
  preemptions = 0;
  prefixQueries = 0;
  prefixHits = 0;

  constructor(model: Pick<CausalLm, 'rotaryParameters'>, pool: BlockPool, options: SchedulerOptions) {
    this.#model = model;
    this.#pool = pool;
    this.#options = options;
  }

  get running(): readonly ScheduledTask[] {
    return this.#running;
  }

  get waiting(): readonly ScheduledTask[] {
    return this.#waiting;
  }

  add(scheduled: ScheduledTask): void {
    insertInOrder(this.#waiting, scheduled);
  }

  /** Takes a task out and gives its blocks back. */
  remove(scheduled: ScheduledTask): void {
    for (const list of [this.#waiting, this.#running]) {
      const index = list.indexOf(scheduled);
      if (index >= 0) list.splice(index, 1);
    }
    this.#releaseBlocks(scheduled);
  }

  /** Learns how fast tokens run, for the size of the next pieces. */
  measured(tokens: number, milliseconds: number): void {
    if (tokens < SMALLEST_PREFILL || milliseconds <= 0) return;
    const speed = tokens / milliseconds;
    this.#tokensPerMs = this.#tokensPerMs === undefined ? speed : 0.7 * this.#tokensPerMs + 0.3 * speed;
  }

  plan(): PlannedChunk[] {
    const chunks: PlannedChunk[] = [];
    const decoding = this.#running.filter((scheduled) => !scheduled.isPaused && isDecoding(scheduled));
    let budget =
      this.#options.maxBatchTokens - decoding.reduce((sum, { task }) => sum + task.sequences.length, 0);
    if (decoding.length > 0) budget = Math.min(budget, this.#prefillBudget());
    for (const scheduled of [...this.#running]) {
      if (scheduled.isPaused || !this.#running.includes(scheduled)) continue;
      const isPrefill = !isDecoding(scheduled);
      const planned = this.#planTask(
        scheduled,
        isPrefill ? budget : Number.POSITIVE_INFINITY,
        decoding.length,
      );
      if (planned === undefined) break; // The task itself was preempted.
      for (const chunk of planned) if (isPrefill) budget -= chunk.count;
      chunks.push(...planned);
    }
    this.#admit(budget, chunks);
    return chunks;
  }

  /** Chunks of a running task, after as many others as needed were preempted; undefined: it was preempted itself. */
  #planTask(scheduled: ScheduledTask, budget: number, decoding: number): PlannedChunk[] | undefined {
    const chunks: PlannedChunk[] = [];
    let left = budget;
    for (const [index, sequence] of scheduled.task.sequences.entries()) {
      if (sequence.pending === 0) continue;
      if (left <= 0 || !this.#canStart(scheduled, index)) break;
      const { count, length } = this.#sameRotation(sequence, Math.min(sequence.pending, left));
      const mayDraft =
        this.#options.maxDrafts > 0 &&
        sequence.pending === 1 &&
        decoding <= this.#options.maxDraftingSequences;
      let drafts = mayDraft ? this.#drafts(scheduled, sequence) : [];
      if (!sequence.reserve(count + drafts.length, this.#pool)) {
        drafts = [];
        while (!sequence.reserve(count, this.#pool)) if (!this.#preemptFor(scheduled)) return undefined;
      }
      chunks.push({ scheduled, sequence, count, drafts, length });
      left -= count;
    }
    return chunks;
  }

  /** Drafts as far as they are turned as the token before them is. */
  #drafts(scheduled: ScheduledTask, sequence: Sequence): readonly number[] {
    const drafts = scheduled.task.draft(sequence, this.#options.maxDrafts);
    const known = sequence.tokens.length;
    const key = rotaryKey(this.#model, known);
    let count = drafts.length;
    while (count > 0 && rotaryKey(this.#model, known + count) !== key) count -= 1;
    return drafts.slice(0, count);
  }

  /**
   * Every token is rotated by the length that was known when it came: the whole prompt for the prompt, itself for a
   * generated one. A chunk holds tokens of one rotation only.
   */
  #sameRotation(sequence: Sequence, room: number): { count: number; length: number } {
    const known = (position: number): number => Math.max(sequence.promptLength, position + 1);
    const length = known(sequence.computed);
    const key = rotaryKey(this.#model, length);
    // Rotations change with the length and never back: equal at both ends is equal between.
    let low = 1;
    let high = room;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (rotaryKey(this.#model, known(sequence.computed + middle - 1)) === key) low = middle;
      else high = middle - 1;
    }
    return { count: low, length };
  }

  /** Takes the blocks of the least entitled other task; false if there is none, and `scheduled` itself gave way. */
  #preemptFor(scheduled: ScheduledTask): boolean {
    if (this.#preemptPaused()) return true;
    const victim = this.#running.at(-1);
    if (victim === undefined) return false;
    this.#preempt(victim);
    return victim !== scheduled;
  }

  /** Preempts the paused sequence of the lowest priority; false if there is none. */
  #preemptPaused(): boolean {
    const victim = this.#running.findLast(({ isPaused }) => isPaused);
    if (victim === undefined) return false;
    this.#preempt(victim);
    return true;
  }

  #preempt(victim: ScheduledTask): void {
    this.#running.splice(this.#running.indexOf(victim), 1);
    this.#releaseBlocks(victim);
    this.add(victim);
    this.preemptions += 1;
  }

  #admit(tokens: number, chunks: PlannedChunk[]): void {
    let budget = tokens;
    let held = 0; // Texts that wait for another's blocks.
    for (let index = 0; index < this.#waiting.length && budget > 0; ) {
      const scheduled = this.#waiting[index];
      if (scheduled === undefined) return;
      const isHeld = !scheduled.isPaused && this.#waitsForOther(scheduled);
      if (isHeld) held += 1;
      // To ask all of a long queue, at every step, would take longer than the step.
      if (held > this.#options.maxSequences) return;
      if (scheduled.isPaused || isHeld) {
        index += 1;
        continue;
      }
      const planned = this.#start(scheduled, budget);
      if (planned === undefined) return; // In order: a smaller one behind does not overtake.
      // Paused sequences that were preempted may stand before it now.
      index = this.#waiting.indexOf(scheduled, index);
      this.#waiting.splice(index, 1);
      insertInOrder(this.#running, scheduled);
      this.#announce(scheduled);
      this.#countPrefix(scheduled);
      for (const chunk of planned) budget -= chunk.count;
      chunks.push(...planned);
    }
  }

  /**
   * The first chunks of a task. Only paused sequences are preempted for it: one whose reader is slow may neither hold the place nor
   * the blocks that another could use. Undefined (and nothing held) if there is no room.
   */
  #start(scheduled: ScheduledTask, budget: number): PlannedChunk[] | undefined {
    while (this.#running.length >= this.#options.maxSequences) if (!this.#preemptPaused()) return undefined;
    this.#reusePrefix(scheduled);
    for (;;) {
      const planned = this.#hasRoom(scheduled) ? this.#planFirst(scheduled, budget) : undefined;
      if (planned !== undefined) return planned;
      if (this.#preemptPaused()) continue;
      this.#releaseBlocks(scheduled);
      return undefined;
    }
  }

  /**
   * True if all that the task has to run before its next token fits beside what the running ones are about to need.
   * Otherwise it would be preempted before its first token. Alone it starts with what there is.
   */
  #hasRoom(scheduled: ScheduledTask): boolean {
    const toCome = ({ task }: ScheduledTask): number =>
      task.sequences.reduce((sum, sequence, index) => {
        const isSharing = index > 0 && sequence.blocks.length === 0; // Its prompt lies with the first beam.
        const shared = isSharing ? Math.floor(sequence.promptLength / BLOCK_SIZE) : 0;
        return sum + Math.max(1, sequence.blocksToCome(this.#options.maxBatchTokens) - shared);
      }, 0);
    const others = this.#running.filter(({ isPaused }) => !isPaused);
    if (others.length === 0) return true;
    return others.reduce((sum, other) => sum + toCome(other), toCome(scheduled)) <= this.#pool.free;
  }

  #planFirst(scheduled: ScheduledTask, budget: number): PlannedChunk[] | undefined {
    const chunks: PlannedChunk[] = [];
    let left = budget;
    for (const [index, sequence] of scheduled.task.sequences.entries()) {
      if (left <= 0 || !this.#canStart(scheduled, index)) break;
      const { count, length } = this.#sameRotation(sequence, Math.min(sequence.pending, left));
      if (!sequence.reserve(count, this.#pool)) return undefined;
      chunks.push({ scheduled, sequence, count, drafts: [], length });
      left -= count;
    }
    return chunks;
  }

  /**
   * False while a beam that gave way has to wait for those before it: started again one after the other, each finds the
   * blocks that it shares with them. All at once they would need more than the pool may have.
   */
  #canStart({ task }: ScheduledTask, index: number): boolean {
    const sequence = task.sequences[index];
    if (index === 0 || sequence === undefined || sequence.blocks.length > 0) return true;
    if (task.sequences.slice(0, index).some(({ pending }) => pending > 1)) return false;
    sequence.reuse(this.#pool);
    return true;
  }

  /** True while a running sequence computes a block that this one would find cached. */
  #waitsForOther(scheduled: ScheduledTask): boolean {
    if (!this.#options.prefixCache || this.#pendingPrefixes.size === 0) return false;
    const [sequence] = scheduled.task.sequences;
    const hash = sequence?.nextPromptHash(this.#pool, reusableTokens(scheduled));
    const other = hash === undefined ? undefined : this.#pendingPrefixes.ownerOf(hash);
    return other !== undefined && other !== scheduled && !other.isPaused;
  }

  #reusePrefix(scheduled: ScheduledTask): void {
    if (!this.#options.prefixCache) return;
    const [sequence] = scheduled.task.sequences;
    sequence?.reuse(this.#pool, reusableTokens(scheduled));
  }

  /** Before its first step; one that starts again was counted before. */
  #countPrefix(scheduled: ScheduledTask): void {
    const [sequence] = scheduled.task.sequences;
    if (!this.#options.prefixCache || sequence === undefined || scheduled.startedAt !== undefined) return;
    this.prefixQueries += sequence.tokens.length;
    this.prefixHits += sequence.computed;
    scheduled.cachedTokens = sequence.computed;
  }

  #announce(scheduled: ScheduledTask): void {
    const [sequence] = scheduled.task.sequences;
    if (this.#options.prefixCache && sequence !== undefined)
      this.#pendingPrefixes.announce(scheduled, [...sequence.promptHashesToCompute()]);
  }

  #releaseBlocks(scheduled: ScheduledTask): void {
    for (const sequence of scheduled.task.sequences) sequence.release(this.#pool);
    this.#pendingPrefixes.withdraw(scheduled);
  }

  /** After a step: a prompt that has run is under way no longer. */
  settle(scheduled: ScheduledTask): void {
    if (!this.#pendingPrefixes.has(scheduled)) return;
    if (scheduled.task.sequences.every(({ computed, promptLength }) => computed >= promptLength - 1))
      this.#pendingPrefixes.withdraw(scheduled);
  }

  /** Tokens of prompts beside sequences that wait for their next token. */
  #prefillBudget(): number {
    if (this.#tokensPerMs === undefined) return 4 * SMALLEST_PREFILL;
    return Math.max(SMALLEST_PREFILL, Math.floor(this.#tokensPerMs * this.#options.targetStepMs));
  }
}

/** Tokens of the prompt that need not run if the cache has them. */
function reusableTokens({ promptLogProbsCollector, task }: ScheduledTask): number {
  return (promptLogProbsCollector ?? task.pooler)?.reusableTokens ?? Number.POSITIVE_INFINITY;
}

/** Past its prompt: every live sequence has at most its last token to run (more after a preemption). */
function isDecoding({ task }: ScheduledTask): boolean {
  return task.sequences.every(
    ({ pending, computed, promptLength }) => pending <= 1 && computed >= promptLength - 1,
  );
}
