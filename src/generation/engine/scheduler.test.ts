/** What runs in a step, without a model: lengths, blocks and places alone decide. Blocks of 16 tokens. */
import { describe, expect, test, vi } from 'vitest';
import type { RotaryParameters } from '../../models/causal-lm.js';
import type { GenerationRequest } from '../requests.js';
import { BlockPool } from './block-pool.js';
import { PromptLogProbsCollector } from './prompt-log-probs-collector.js';
import { Scheduler, type SchedulerOptions } from './scheduler.js';
import { Sequence } from './sequence.js';
import type { ScheduledTask, Task } from './task.js';

const ids = (length: number, seed = 0): number[] =>
  Array.from({ length }, (_, index) => 1 + ((index * 7 + seed * 13) % 50));

interface Wish extends Partial<GenerationRequest> {
  /** Sequences that the task has; beams where more than one. */
  readonly sequences?: number;
  readonly drafts?: readonly number[];
}

/** A scheduler whose steps run at once; every sequence gets the token 9 when its pending ones have run. */
class Bench {
  readonly pool: BlockPool;
  readonly scheduler: Scheduler;
  /** Blocks that the test holds. */
  readonly occupied: number[] = [];
  #arrivals = 0;

  constructor(
    blocks: number,
    options: Partial<SchedulerOptions> = {},
    rotaryParameters: (length: number) => RotaryParameters = () => ({ base: 1 }),
  ) {
    this.pool = new BlockPool(blocks);
    this.scheduler = new Scheduler({ rotaryParameters }, this.pool, {
      maxSequences: 64,
      maxBatchTokens: 512,
      targetStepMs: 250,
      prefixCache: false,
      maxDrafts: 0,
      maxDraftingSequences: 8,
      ...options,
    });
  }

  add(id: string, promptIds: readonly number[], wish: Wish = {}): ScheduledTask {
    const request: GenerationRequest = { promptIds, maxNewTokens: 1000, ...wish };
    const sequences = Array.from(
      { length: wish.sequences ?? 1 },
      () =>
        new Sequence({
          promptIds,
          promptAttentionMask: undefined,
          maskedTokenId: undefined,
          hashContext: wish.cacheSalt ?? '',
          adapter: undefined,
          window: undefined,
        }),
    );
    const task: Task = {
      id,
      request,
      sequences,
      finish: undefined,
      draft: (_, maxTokens) => (wish.drafts ?? []).slice(0, maxTokens),
      take: () => 0,
      isHeld: false,
      takeHeld: () => false,
      endStep: () => ({ ids: [], logProbs: undefined, beams: undefined }),
      dispose: () => undefined,
    };
    const scheduled: ScheduledTask = {
      task,
      priority: request.priority ?? 0,
      promptLogProbsCollector:
        request.promptLogProbs === undefined ? undefined : new PromptLogProbsCollector(request),
      arrival: this.#arrivals++,
      submittedAt: 0,
      startedAt: undefined,
      firstTokenAt: undefined,
      cachedTokens: 0,
      generatedTokens: 0,
      isPaused: false,
      error: undefined,
    };
    this.scheduler.add(scheduled);
    return scheduled;
  }

  /** Runs a step. Gives what it ran: `id:count`, with `+n` for n drafts. */
  step(): string[] {
    const chunks = this.scheduler.plan();
    for (const { scheduled, sequence, count } of chunks) {
      scheduled.startedAt ??= 0;
      if (count === sequence.pending) sequence.tokens.push(9);
      sequence.advance(count, this.pool);
    }
    for (const { scheduled } of chunks) this.scheduler.settle(scheduled);
    const all = [...this.scheduler.running, ...this.scheduler.waiting];
    const held = all.flatMap(({ task }) => task.sequences.flatMap(({ blocks }) => blocks));
    this.pool.verify([...held, ...this.occupied]);
    return chunks.map(
      ({ scheduled, count, drafts }) =>
        `${scheduled.task.id}:${count}${drafts.length > 0 ? `+${drafts.length}` : ''}`,
    );
  }

  steps(count: number): string[][] {
    return Array.from({ length: count }, () => this.step());
  }

  get running(): string[] {
    return this.scheduler.running.map(({ task }) => task.id);
  }

  get waiting(): string[] {
    return this.scheduler.waiting.map(({ task }) => task.id);
  }
}

describe('prompts in pieces', () => {
  test('a step has as many tokens as it may have, the earlier prompt first', () => {
    const bench = new Bench(64, { maxBatchTokens: 20 });
    bench.add('a', ids(30));
    bench.add('b', ids(25));
    bench.add('c', ids(5));
    // A text that waits for its next token has it in every step; until speed is known prompts get 64 beside it.
    expect(bench.steps(5)).toEqual([
      ['a:20'],
      ['a:10', 'b:10'],
      ['a:1', 'b:15', 'c:4'],
      ['a:1', 'b:1', 'c:1'],
      ['a:1', 'b:1', 'c:1'],
    ]);
  });

  test('texts in mid-answer keep their tokens, and what is left goes to prompts', () => {
    const bench = new Bench(64, { maxBatchTokens: 8 });
    for (const id of ['a', 'b', 'c']) bench.add(id, ids(2));
    bench.step();
    bench.add('long', ids(30));
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:1', 'long:5']);
    // Were the running ones not counted it would have 8.
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:1', 'long:5']);
  });

  test('however slow the steps are, a prompt goes on by a piece at every one, and the answers by a token', () => {
    const bench = new Bench(64, { targetStepMs: 1 });
    bench.add('a', ids(2));
    bench.step();
    bench.scheduler.measured(100, 100_000);
    bench.add('long', ids(40));
    bench.add('last', ids(20));
    expect(bench.steps(4)).toEqual([
      ['a:1', 'long:16'],
      ['a:1', 'long:16'],
      ['a:1', 'long:8', 'last:8'],
      ['a:1', 'long:1', 'last:12'],
    ]);
  });

  test('pieces are as large as the speed allows, and whole where nobody waits for a token', () => {
    const bench = new Bench(256, { targetStepMs: 10 });
    bench.add('a', ids(2));
    bench.step();
    bench.add('b', ids(100));
    expect(bench.step(), 'before anything is measured').toEqual(['a:1', 'b:64']);
    bench.scheduler.measured(40, 10); // 4 a millisecond
    expect(bench.step()).toEqual(['a:1', 'b:36']);
    bench.add('c', ids(400));
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:40']);
    bench.scheduler.measured(20, 10); // 2: 0.7 * 4 + 0.3 * 2 = 3.4
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:34']);
    bench.scheduler.measured(15, 1000); // too few to tell
    bench.scheduler.measured(20, 0);
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:34']);
    for (const scheduled of bench.scheduler.running.slice(0, 2)) bench.scheduler.remove(scheduled);
    expect(bench.step()).toEqual(['c:292']);
  });

  test('a text that gave way is in mid-answer again when all it knew has run', () => {
    const bench = new Bench(64, { maxBatchTokens: 4 });
    const a = bench.add('a', ids(4));
    bench.steps(10);
    a.task.sequences[0]?.release(bench.pool);
    expect(bench.steps(5)).toEqual([['a:4'], ['a:4'], ['a:4'], ['a:2'], ['a:1']]);
  });

  test('every text in mid-answer has its token, even where they are more than a step should have', () => {
    const bench = new Bench(64, { maxBatchTokens: 4 });
    const tasks = ['a', 'b', 'c', 'd'].map((id) => bench.add(id, ids(1)));
    bench.step();
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:1', 'd:1']);
    bench.add('e', ids(1));
    expect(bench.step(), 'and nothing else begins').toEqual(['a:1', 'b:1', 'c:1', 'd:1']);
    bench.scheduler.remove(tasks[3] as ScheduledTask);
    bench.step();
    bench.add('f', ids(1));
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:1', 'e:1']);
  });

  test('a paused text takes no tokens from the others', () => {
    const bench = new Bench(64, { maxBatchTokens: 4 });
    const a = bench.add('a', ids(2));
    bench.add('b', ids(2));
    bench.step();
    a.isPaused = true;
    bench.add('long', ids(20));
    expect(bench.step()).toEqual(['b:1', 'long:3']);
  });

  test('a text with nothing to run is passed over, and keeps its place', () => {
    const bench = new Bench(64);
    bench.add('a', ids(4));
    const b = bench.add('b', ids(4));
    bench.step();
    // As one whose next token cannot be chosen yet.
    b.task.sequences[0]?.tokens.pop();
    expect([bench.step(), bench.running]).toEqual([['a:1'], ['a', 'b']]);
  });
});

describe('who may start', () => {
  test('as many as there are places, in order of priority, then of arrival; nobody overtakes', () => {
    const bench = new Bench(64, { maxSequences: 2 });
    bench.add('late', ids(4), { priority: 1 });
    bench.add('a', ids(4));
    bench.add('b', ids(4));
    bench.add('early', ids(4), { priority: -1 });
    expect(bench.waiting).toEqual(['early', 'a', 'b', 'late']);
    bench.step();
    expect([bench.running, bench.waiting]).toEqual([
      ['early', 'a'],
      ['b', 'late'],
    ]);
    bench.scheduler.remove(bench.scheduler.running[0] as ScheduledTask);
    bench.step();
    expect(bench.running).toEqual(['a', 'b']);
  });

  test('a small one behind a large one that has no room waits with it', () => {
    const bench = new Bench(4);
    bench.add('a', ids(20));
    bench.step();
    bench.add('large', ids(60));
    bench.add('small', ids(2));
    expect(bench.step()).toEqual(['a:1']);
    expect([bench.waiting, bench.pool.free]).toEqual([['large', 'small'], 2]);
  });

  test('room is for the whole prompt, and one block for each that runs', () => {
    // a holds two blocks and may need a third: 3 of 6 are left, or 2.
    for (const [length, starts] of [
      [48, true],
      [49, false],
    ] as const) {
      const bench = new Bench(6);
      bench.add('a', ids(20));
      bench.step();
      bench.add('b', ids(length));
      bench.step();
      expect(bench.running.includes('b'), `${length} tokens`).toBe(starts);
    }
  });

  test('what a running prompt is still to take is counted', () => {
    const bench = new Bench(8, { maxBatchTokens: 16 });
    bench.add('a', ids(100));
    bench.step();
    bench.add('b', ids(20));
    bench.steps(3);
    expect(bench.running).toEqual(['a']);
  });

  test('alone it starts with what there is', () => {
    const bench = new Bench(4, { maxBatchTokens: 16 });
    bench.add('a', ids(80));
    expect(bench.steps(2)).toEqual([['a:16'], ['a:16']]);
  });

  test('one that finds no room holds nothing of what it found in the cache', () => {
    const bench = new Bench(8, { prefixCache: true });
    const first = bench.add('first', ids(40));
    bench.step();
    bench.scheduler.remove(first);
    bench.add('a', ids(20, 1));
    bench.step();
    const { free } = bench.pool;
    bench.add('b', [...ids(40), ...ids(80, 2)]);
    expect([bench.step(), bench.pool.free]).toEqual([['a:1'], free]);
  });

  test('one of higher priority that starts later stands before the others', () => {
    const bench = new Bench(16);
    bench.add('a', ids(4));
    bench.step();
    bench.add('early', ids(4), { priority: -1 });
    bench.step();
    expect(bench.running).toEqual(['early', 'a']);
  });
});

describe('giving way', () => {
  test('the latest gives its blocks back and starts again when there is room', () => {
    const bench = new Bench(4);
    bench.add('a', ids(15));
    bench.add('b', ids(15));
    // Both grow into a second block; at 33 tokens each the third is missing.
    for (let step = 0; step < 18; step++) bench.step();
    expect([bench.running, bench.pool.free, bench.scheduler.preemptions]).toEqual([['a', 'b'], 0, 0]);
    bench.step();
    expect([bench.running, bench.waiting, bench.scheduler.preemptions]).toEqual([['a'], ['b'], 1]);
    bench.scheduler.remove(bench.scheduler.running[0] as ScheduledTask);
    expect(bench.step()).toEqual(['b:33']);
  });

  test('the one of lower priority, however early it came; it keeps its place before later ones', () => {
    const bench = new Bench(4);
    bench.add('lower', ids(15), { priority: 1 });
    bench.add('a', ids(15));
    for (let step = 0; step < 19; step++) bench.step();
    expect([bench.running, bench.waiting]).toEqual([['a'], ['lower']]);
    bench.add('later', ids(15), { priority: 1 });
    expect(bench.waiting).toEqual(['lower', 'later']);
  });

  test('a paused one first, wherever it stands; of several the last', () => {
    const bench = new Bench(6);
    const tasks = ['a', 'b', 'c'].map((id) => bench.add(id, ids(15)));
    bench.steps(2);
    for (const index of [0, 1]) (tasks[index] as ScheduledTask).isPaused = true;
    bench.steps(48);
    expect([bench.scheduler.preemptions, bench.pool.free]).toEqual([0, 0]);
    // c alone grew: for its fifth block b has to go.
    bench.step();
    expect([bench.running, bench.waiting]).toEqual([['a', 'c'], ['b']]);
    bench.steps(16);
    expect([bench.running, bench.waiting]).toEqual([['c'], ['a', 'b']]);
    expect(bench.scheduler.preemptions).toBe(2);
  });

  test('a paused one leaves its place too, and does not come back while it is paused', () => {
    const bench = new Bench(16, { maxSequences: 1 });
    const a = bench.add('a', ids(4));
    bench.step();
    a.isPaused = true;
    bench.add('b', ids(4));
    expect(bench.step()).toEqual(['b:4']);
    expect(bench.waiting).toEqual(['a']);
    a.isPaused = false;
    expect(bench.steps(2)).toEqual([['b:1'], ['b:1']]);
    bench.scheduler.remove(bench.scheduler.running[0] as ScheduledTask);
    expect(bench.step()).toEqual(['a:5']);
  });

  test('the latest itself, where it is the one that needs a block', () => {
    const bench = new Bench(6);
    bench.add('a', ids(3));
    bench.add('b', ids(31));
    bench.step();
    const spare = bench.pool.free - 1;
    for (let block = 0; block < spare; block++) bench.occupied.push(bench.pool.allocate() ?? Number.NaN);
    // The last block goes to b for its third; for its fourth it has to go itself, before a needs its second.
    bench.scheduler.running[0]?.task.sequences[0]?.tokens.splice(3);
    expect(bench.steps(2)).toEqual([['b:1'], ['b:1']]);
    bench.steps(15);
    expect([bench.running, bench.waiting, bench.pool.free]).toEqual([['a', 'b'], [], 0]);
    expect(bench.step()).toEqual([]);
    expect([bench.running, bench.waiting, bench.scheduler.preemptions]).toEqual([['a'], ['b'], 1]);
  });

  test('a paused one is left in peace where there is room beside it', () => {
    const bench = new Bench(4);
    const a = bench.add('a', ids(30));
    bench.step();
    a.isPaused = true;
    bench.add('b', ids(30));
    expect(bench.step()).toEqual(['b:30']);
    expect([bench.running, bench.scheduler.preemptions]).toEqual([['a', 'b'], 0]);
  });

  test('who starts takes blocks from paused ones only', () => {
    const bench = new Bench(3);
    const a = bench.add('a', ids(30));
    bench.step();
    bench.add('b', ids(30));
    expect(bench.step()).toEqual(['a:1']);
    a.isPaused = true;
    expect(bench.step()).toEqual(['b:30']);
    expect([bench.waiting, bench.scheduler.preemptions]).toEqual([['a'], 1]);
  });
});

describe('common beginnings', () => {
  const prefixCache = true;

  test('the first computes, the others wait for it and find it; cached tokens are counted once', () => {
    const bench = new Bench(64, { prefixCache, maxBatchTokens: 32 });
    const tasks = ['a', 'b', 'c'].map((id, index) => bench.add(id, [...ids(48), index + 1]));
    expect(bench.steps(3)).toEqual([['a:32'], ['a:17'], ['a:1', 'b:1', 'c:1']]);
    expect(tasks.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 48, 48]);
    expect([bench.scheduler.prefixQueries, bench.scheduler.prefixHits]).toEqual([147, 96]);
  });

  test('who waits hinders nobody behind it', () => {
    const bench = new Bench(64, { prefixCache, maxBatchTokens: 40, maxSequences: 2 });
    for (const id of ['a', 'b', 'c']) bench.add(id, ids(50));
    bench.add('other', ids(6, 1));
    expect(bench.step()).toEqual(['a:40']);
    expect(bench.step()).toEqual(['a:10', 'other:6']);
    expect(bench.waiting).toEqual(['b', 'c']);
  });

  test('a long queue of those is not asked through at every step', () => {
    const asked = vi.spyOn(Sequence.prototype, 'nextPromptHash');
    try {
      const bench = new Bench(64, { prefixCache, maxBatchTokens: 40, maxSequences: 3 });
      for (let index = 0; index < 100; index++) bench.add(String(index), ids(50));
      bench.step();
      asked.mockClear();
      // The last piece of the prompt leaves tokens of the step over, so that the queue is looked at.
      expect(bench.step()).toEqual(['0:10']);
      expect(asked.mock.calls.length).toBe(4);
    } finally {
      asked.mockRestore();
    }
  });

  test('another salt, a paused owner, no prefix cache: nobody waits', () => {
    const both = (options: Partial<SchedulerOptions>, change: (first: ScheduledTask) => void, wish: Wish) => {
      const bench = new Bench(64, { maxBatchTokens: 40, ...options });
      const first = bench.add('a', ids(60));
      bench.step();
      change(first);
      bench.add('b', ids(60), wish);
      return bench.step();
    };
    const nothing = (): void => undefined;
    expect(both({ prefixCache }, nothing, {})).toEqual(['a:20']);
    expect(both({ prefixCache }, nothing, { cacheSalt: 'other' })).toEqual(['a:20', 'b:20']);
    expect(both({ prefixCache: false }, nothing, {})).toEqual(['a:20', 'b:20']);
    const pause = (first: ScheduledTask): void => {
      first.isPaused = true;
    };
    // It finds the two blocks that the paused one has computed.
    expect(both({ prefixCache }, pause, {})).toEqual(['b:28']);
  });

  test('when the one that computes is gone the next begins', () => {
    const bench = new Bench(64, { prefixCache, maxBatchTokens: 20 });
    const a = bench.add('a', ids(60));
    bench.add('b', ids(60));
    bench.add('c', ids(60));
    expect(bench.step()).toEqual(['a:20']);
    bench.scheduler.remove(a);
    expect(bench.step()).toEqual(['b:20']);
    expect(bench.waiting).toEqual(['c']);
  });

  test('who gave up leaves the work that another has taken over', () => {
    const bench = new Bench(64, { prefixCache, maxBatchTokens: 20 });
    const a = bench.add('a', ids(66));
    bench.step();
    a.isPaused = true;
    bench.add('b', ids(66));
    expect(bench.step()).toEqual(['b:20']);
    bench.scheduler.remove(a);
    bench.add('c', ids(66));
    bench.add('other', ids(3, 1));
    expect(bench.steps(2)).toEqual([['b:20'], ['b:10', 'other:3']]);
  });

  test('tokens whose log-probabilities are asked for are run', () => {
    const bench = new Bench(64, { prefixCache });
    bench.add('a', ids(60));
    bench.step();
    bench.add('b', ids(60), { promptLogProbs: 0, promptLogProbsFrom: 40 });
    expect(bench.step()).toEqual(['a:1', 'b:28']);
    bench.add('c', ids(60), { promptLogProbs: 0 });
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:60']);
  });
});

describe('drafts', () => {
  const options = { maxDrafts: 3 };

  test('run behind the last token of a text in mid-answer, and never behind a piece of its prompt', () => {
    const bench = new Bench(16, { ...options, maxBatchTokens: 4 });
    bench.add('a', ids(6), { drafts: [1, 2, 3, 4] });
    expect(bench.steps(3)).toEqual([['a:4'], ['a:2'], ['a:1+3']]);
  });

  test('while few texts run', () => {
    const bench = new Bench(16, { ...options, maxDraftingSequences: 2 });
    for (const id of ['a', 'b']) bench.add(id, ids(4), { drafts: [1] });
    bench.step();
    const c = bench.add('c', ids(4));
    expect(bench.step()).toEqual(['a:1+1', 'b:1+1', 'c:4']);
    expect(bench.step()).toEqual(['a:1', 'b:1', 'c:1']);
    bench.scheduler.remove(c);
    expect(bench.step()).toEqual(['a:1+1', 'b:1+1']);
  });

  test('only as far as there are blocks: nobody gives way for them', () => {
    const bench = new Bench(3, options);
    for (const id of ['a', 'b']) bench.add(id, ids(14), { drafts: [1, 2] });
    bench.step();
    expect(bench.step()).toEqual(['a:1+2', 'b:1']);
    expect(bench.scheduler.preemptions).toBe(0);
  });

  test('only as far as the rotation of the token before them goes', () => {
    const bench = new Bench(16, options, (length) => ({ base: length <= 7 ? 1 : 2 }));
    bench.add('a', ids(4), { drafts: [1, 2, 3] });
    expect(bench.steps(5)).toEqual([['a:4'], ['a:1+2'], ['a:1+1'], ['a:1'], ['a:1+3']]);
  });
});

describe('rotations', () => {
  test('the whole prompt has that of its length; generated tokens that are run again each their own', () => {
    const bench = new Bench(16, {}, (length) => ({ base: Math.max(6, length) }));
    const a = bench.add('a', ids(8));
    bench.steps(4);
    a.task.sequences[0]?.release(bench.pool);
    const lengths: number[][] = [];
    for (let step = 0; step < 5; step++) {
      const [chunk] = bench.scheduler.plan();
      if (chunk === undefined) break;
      lengths.push([chunk.count, chunk.length]);
      chunk.sequence.advance(chunk.count, bench.pool);
    }
    expect(lengths).toEqual([
      [8, 8],
      [1, 9],
      [1, 10],
      [1, 11],
      [1, 12],
    ]);
  });

  test('a chunk ends where the rotation changes', () => {
    const bench = new Bench(16, {}, (length) => ({ base: length <= 10 ? 1 : 2 }));
    const a = bench.add('a', ids(8));
    bench.steps(6);
    a.task.sequences[0]?.release(bench.pool);
    expect([bench.step(), bench.step()]).toEqual([['a:10'], ['a:4']]);
  });
});

describe('beams', () => {
  test('that gave way start one after the other, each with what it shares with those before', () => {
    const bench = new Bench(8);
    bench.add('a', ids(40), { sequences: 3 });
    // 2 shared blocks and an open one for each: 5 of 8.
    expect(bench.steps(3)).toEqual([['a:40'], ['a:1', 'a:8'], ['a:1', 'a:1', 'a:8']]);
    expect(bench.pool.free).toBe(3);
  });

  test('all of them or none have their next token, and room is counted for all', () => {
    const bench = new Bench(8);
    bench.add('a', ids(20));
    bench.step();
    // Its shared block once, two more for each of 3: 7, and 2 + 1 for the one that runs.
    bench.add('b', ids(20), { sequences: 3 });
    expect(bench.step()).toEqual(['a:1', 'b:20']);
    const tight = new Bench(5);
    tight.add('a', ids(20));
    tight.step();
    tight.add('b', ids(20), { sequences: 3 });
    expect(tight.step()).toEqual(['a:1']);
  });
});
