/** One text's blocks: taken, filled, shared, given back; with a window and without. Blocks of 16 tokens. */
import { describe, expect, test, vi } from 'vitest';
import { ABSENT_BLOCK } from '../../nn/index.js';
import { BlockPool } from './block-pool.js';
import { Sequence } from './sequence.js';

const ids = (length: number, seed = 0): number[] =>
  Array.from({ length }, (_, index) => (index * 7 + seed) % 50);

function sequence(promptIds: readonly number[], window?: number, hashContext = ''): Sequence {
  return new Sequence({
    promptIds,
    promptAttentionMask: undefined,
    maskedTokenId: undefined,
    hashContext,
    adapter: undefined,
    window,
  });
}

/** Runs tokens in steps of `step`, as an engine would. */
function run(text: Sequence, pool: BlockPool, count = text.pending, step = count): void {
  for (let left = count; left > 0; left -= step) {
    const now = Math.min(step, left);
    expect(text.reserve(now, pool)).toBe(true);
    text.advance(now, pool);
  }
}

/** Copies nothing, and says what it should have. */
function copies(): { made: [number, number][]; copyBlock(from: number, to: number): void } {
  const made: [number, number][] = [];
  return { made, copyBlock: (from, to) => void made.push([from, to]) };
}

describe('room', () => {
  test.each([
    [1, 1],
    [16, 1],
    [17, 2],
    [32, 2],
  ])('%i tokens take %i blocks', (count, blocks) => {
    const pool = new BlockPool(4);
    const text = sequence(ids(40));
    expect(text.blocksMissing(count)).toBe(blocks);
    expect(text.reserve(count, pool)).toBe(true);
    expect([text.blocks.length, pool.free]).toEqual([blocks, 4 - blocks]);
    expect(text.reserve(count, pool)).toBe(true);
    expect(pool.free, 'what is there is not taken twice').toBe(4 - blocks);
  });

  test('without enough blocks none is taken', () => {
    const pool = new BlockPool(2);
    const text = sequence(ids(40));
    expect(text.reserve(33, pool)).toBe(false);
    expect([text.blocks.length, pool.free]).toEqual([0, 2]);
    expect(text.reserve(32, pool)).toBe(true);
  });
});

describe('found again', () => {
  test.each([
    { length: 16, cached: 0, name: 'the last token is always run' },
    { length: 17, cached: 16, name: 'one block and one token' },
    { length: 32, cached: 16, name: 'the last token is always run' },
    { length: 33, cached: 32, name: 'two blocks and one token' },
  ])('a prompt of $length: $cached ($name)', ({ length, cached }) => {
    const pool = new BlockPool(8);
    const first = sequence(ids(64));
    run(first, pool);
    const again = sequence(ids(length));
    expect(again.reuse(pool)).toBe(cached);
    expect([again.computed, again.pending, again.blocks]).toEqual([
      cached,
      length - cached,
      first.blocks.slice(0, cached / 16),
    ]);
    pool.verify([...first.blocks, ...again.blocks]);
  });

  test('a block is found when it is full, and not before', () => {
    const pool = new BlockPool(8);
    const first = sequence(ids(40));
    run(first, pool, 31);
    expect(sequence(ids(40)).reuse(pool)).toBe(16);
    run(first, pool, 1);
    expect(sequence(ids(40)).reuse(pool)).toBe(32);
  });

  test('what is to be run anyway is not taken from the cache', () => {
    const pool = new BlockPool(8);
    run(sequence(ids(64)), pool);
    expect([31, 32, 63].map((limit) => sequence(ids(64)).reuse(pool, limit))).toEqual([16, 32, 48]);
  });

  test('another beginning, another context: nothing; a hole ends it', () => {
    const pool = new BlockPool(8);
    const first = sequence(ids(64));
    run(first, pool);
    expect(sequence(ids(64, 1)).reuse(pool)).toBe(0);
    expect(sequence(ids(64), undefined, 'other').reuse(pool)).toBe(0);
    const changed = ids(64).map((id, index) => (index === 20 ? id + 1 : id));
    expect(sequence(changed).reuse(pool), 'the same third block behind another second one').toBe(16);
    const other = sequence(ids(64, 1));
    run(other, pool);
    const mixed = [...ids(16, 1), ...ids(64).slice(16)];
    expect(sequence(mixed).reuse(pool), 'the block of another text behind that of a second one').toBe(16);
  });

  test('a block is named by every token in it', () => {
    for (let place = 0; place < 16; place++) {
      const pool = new BlockPool(4);
      run(sequence(ids(17)), pool);
      const changed = ids(17).map((id, index) => (index === place ? id + 1 : id));
      expect(sequence(changed).reuse(pool), `place ${place}`).toBe(0);
    }
  });

  test('of a text that ended the end goes first, its beginning last', () => {
    const pool = new BlockPool(4);
    const first = sequence(ids(64));
    run(first, pool);
    first.release(pool);
    expect([first.blocks.length, first.computed, pool.free]).toEqual([0, 0, 4]);
    for (const cached of [48, 32, 16, 0]) {
      pool.allocate();
      const again = sequence(ids(64));
      expect(again.reuse(pool), 'after one more block was taken').toBe(cached);
      again.release(pool);
    }
  });

  test('blocks that were found are not named again by who found them', () => {
    const pool = new BlockPool(8);
    run(sequence(ids(40)), pool);
    const again = sequence(ids(40));
    again.reuse(pool);
    const named = vi.spyOn(pool, 'register');
    run(again, pool);
    expect(named.mock.calls.length).toBe(0);
    again.tokens.push(...ids(8));
    run(again, pool);
    expect(named.mock.calls.length).toBe(1);
  });

  test('who gave way begins again from what is left, and registers what it computes again', () => {
    const pool = new BlockPool(4);
    const text = sequence(ids(50));
    run(text, pool, 48);
    text.release(pool);
    pool.evictCached();
    run(text, pool, 48);
    expect(sequence(ids(50)).reuse(pool)).toBe(48);
  });
});

describe('what another may be computing', () => {
  test('the first block that is not cached, up to what must run', () => {
    const pool = new BlockPool(8);
    const first = sequence(ids(64));
    const hashes = [...first.promptHashesToCompute()];
    expect(hashes.length).toBe(4);
    const next = (length: number, limit = Number.POSITIVE_INFINITY): string | undefined =>
      sequence(ids(length)).nextPromptHash(pool, limit);
    expect([next(16), next(17), next(64)]).toEqual([undefined, hashes[0], hashes[0]]);
    run(first, pool, 32);
    expect([next(33), next(48), next(49), next(64, 47)]).toEqual([
      undefined,
      undefined,
      hashes[2],
      undefined,
    ]);
    expect([...first.promptHashesToCompute()]).toEqual(hashes.slice(2));
  });

  test('a block once found is asked for again after the text gave its blocks back', () => {
    const pool = new BlockPool(8);
    const first = sequence(ids(40));
    run(first, pool, 32);
    const waiting = sequence(ids(40));
    expect(waiting.nextPromptHash(pool, 40)).toBeUndefined();
    first.release(pool);
    pool.evictCached();
    waiting.release(pool);
    expect(waiting.nextPromptHash(pool, 40)).toBeDefined();
  });

  test('blocks with generated tokens are none of the prompt', () => {
    const text = sequence(ids(20));
    text.tokens.push(...ids(20));
    expect([...text.promptHashesToCompute()].length).toBe(1);
  });
});

describe('a window', () => {
  const window = 20;

  test.each([
    [34, 0],
    [35, 1],
    [50, 1],
    [51, 2],
  ])('after %i tokens %i blocks are given back', (count, dropped) => {
    const pool = new BlockPool(8);
    const text = sequence(ids(64), window);
    run(text, pool, count);
    expect(text.blocks.filter((block) => block === ABSENT_BLOCK).length).toBe(dropped);
    expect(8 - pool.free).toBe(Math.ceil(count / 16) - dropped);
    pool.verify(text.blocks.filter((block) => block !== ABSENT_BLOCK));
    text.release(pool);
    expect(pool.free).toBe(8);
  });

  test('a long text holds the window and a step, however long', () => {
    const pool = new BlockPool(6);
    const text = sequence(ids(400), window);
    let most = 0;
    for (let done = 0; done < 400; done += 16) {
      run(text, pool, 16);
      most = Math.max(most, 6 - pool.free);
    }
    expect(most).toBeLessThanOrEqual(3);
    expect(sequence(ids(400), window).blocksToCome(16)).toBe(Math.ceil((window + 16) / 16) + 1);
    expect(sequence(ids(17), window).blocksToCome(16), 'no more than a short text needs').toBe(2);
    expect(sequence(ids(400)).blocksToCome(16), 'without a window').toBe(25);
  });

  test('what the window shows must be there; what lies before it need not', () => {
    const pool = new BlockPool(4);
    const first = sequence(ids(64), window);
    run(first, pool, 64, 16);
    first.release(pool);
    // Blocks of the beginning, released first, go first.
    pool.allocate();
    const again = sequence([...ids(64), 1], window);
    expect(again.reuse(pool)).toBe(64);
    // The token at 64 sees from 45 on: blocks 2 and 3.
    expect(again.blocks.map((block) => block === ABSENT_BLOCK)).toEqual([true, true, false, false]);
    const shorter = sequence(ids(64).slice(0, 40), window);
    expect(shorter.reuse(pool), 'the token at 32 would see from 13 on: block 0, which is gone').toBe(0);
  });

  test('who gave way and runs again gives back what leaves the window, as before', () => {
    const pool = new BlockPool(8);
    const text = sequence(ids(100), window);
    const held = (): number => {
      run(text, pool, 96, 16);
      return 8 - pool.free;
    };
    const before = held();
    text.release(pool);
    pool.evictCached();
    expect([before, held()]).toEqual([2, 2]);
  });

  test('a twin of a text in a window has the same blocks, and the same gone', () => {
    const pool = new BlockPool(8);
    const text = sequence(ids(70), window);
    run(text, pool, 70, 16);
    const cache = copies();
    const twin = text.fork(pool, cache);
    expect(twin.blocks.slice(0, 4)).toEqual(text.blocks.slice(0, 4));
    expect(cache.made).toEqual([[text.blocks[4], twin.blocks[4]]]);
    run(text, pool, 0);
    for (const each of [text, twin]) {
      each.tokens.push(...ids(30));
      run(each, pool);
      each.release(pool);
    }
    expect(pool.free).toBe(8);
  });
});

describe('a fork', () => {
  test('shares full blocks and copies the open one', () => {
    const pool = new BlockPool(8);
    const text = sequence(ids(40));
    run(text, pool);
    const cache = copies();
    const twin = text.fork(pool, cache);
    expect(twin.blocks.slice(0, 2)).toEqual(text.blocks.slice(0, 2));
    expect(cache.made).toEqual([[text.blocks[2], twin.blocks[2]]]);
    expect([twin.computed, twin.tokens]).toEqual([40, text.tokens]);
    pool.verify([...text.blocks, ...twin.blocks]);
    text.verify(pool);
    twin.verify(pool);
    twin.tokens.push(1);
    expect(text.tokens.length).toBe(40);
  });

  test('at the border of a block there is nothing to copy', () => {
    const pool = new BlockPool(8);
    const text = sequence(ids(33));
    run(text, pool, 32);
    expect(text.reserve(1, pool)).toBe(true);
    const cache = copies();
    const twin = text.fork(pool, cache);
    expect([twin.blocks.length, twin.computed, cache.made]).toEqual([2, 32, []]);
  });

  test('without a block for the copy the open part is computed again', () => {
    const pool = new BlockPool(3);
    const text = sequence(ids(40));
    run(text, pool);
    const cache = copies();
    const twin = text.fork(pool, cache);
    expect([twin.blocks.length, twin.computed, twin.pending, cache.made]).toEqual([2, 32, 8, []]);
  });
});

test('verify tells of a block that is shared and written to', () => {
  const pool = new BlockPool(4);
  const text = sequence(ids(20));
  run(text, pool);
  text.verify(pool);
  pool.retain(text.blocks[0] ?? Number.NaN);
  text.verify(pool);
  pool.retain(text.blocks[1] ?? Number.NaN);
  expect(() => text.verify(pool)).toThrow('is written to and held by another');
});

describe('which tokens others see', () => {
  const marks = (changes: Partial<ConstructorParameters<typeof Sequence>[0]>, hasMaskedTokens = false) => {
    const text = new Sequence({
      promptIds: [7, 0, 8],
      promptAttentionMask: undefined,
      maskedTokenId: undefined,
      hashContext: '',
      adapter: undefined,
      window: undefined,
      ...changes,
    });
    const pool = new BlockPool(1);
    text.reserve(3, pool);
    let attended: readonly boolean[] | undefined;
    text.writeAttentionMask([7, 0, 8], {
      hasMaskedTokens: () => hasMaskedTokens,
      setAttentionMask: (_blocks, _position, marked) => {
        attended = marked;
      },
    });
    return attended;
  };

  test('a mask goes before the id of the padding; marks of what lay there before are taken back', () => {
    expect(marks({})).toBeUndefined();
    expect(marks({}, true)).toEqual([true, true, true]);
    expect(marks({ maskedTokenId: 0 })).toEqual([true, false, true]);
    expect(marks({ promptAttentionMask: [false, true, true] })).toEqual([false, true, true]);
    expect(marks({ promptAttentionMask: [false, true, true], maskedTokenId: 0 })).toEqual([
      false,
      true,
      true,
    ]);
  });
});
