/** The books of the block pool: who holds what, what is found again, what goes first. */
import { describe, expect, test } from 'vitest';
import { BlockPool } from './block-pool.js';

/** Takes a block, says what it holds, and lets it go. */
function cached(pool: BlockPool, hash: string): number {
  const block = taken(pool);
  pool.register(block, hash);
  pool.release(block);
  return block;
}

function taken(pool: BlockPool): number {
  const block = pool.allocate();
  if (block === undefined) throw new RangeError('the pool has no block');
  return block;
}

describe('allocation', () => {
  test('every block once, then none; what is given back can be taken again', () => {
    const pool = new BlockPool(3);
    const blocks = [taken(pool), taken(pool), taken(pool)];
    expect(new Set(blocks)).toEqual(new Set([0, 1, 2]));
    expect([pool.free, pool.allocate()]).toEqual([0, undefined]);
    pool.release(1);
    expect(pool.free).toBe(1);
    expect(pool.allocate()).toBe(1);
  });

  test('a block is free when its last holder has let go', () => {
    const pool = new BlockPool(1);
    const block = taken(pool);
    expect(pool.hasSingleOwner(block)).toBe(true);
    pool.retain(block);
    expect(pool.hasSingleOwner(block)).toBe(false);
    pool.release(block);
    expect(pool.free).toBe(0);
    pool.release(block);
    expect(pool.free).toBe(1);
    expect(() => pool.release(block)).toThrow(`block ${block} is released more often than it was held`);
  });

  test('blocks with nothing in them go before those that may be found again', () => {
    const pool = new BlockPool(3);
    const block = cached(pool, 'a');
    expect([taken(pool), taken(pool)]).not.toContain(block);
    expect(pool.find('a')).toBe(block);
    expect(pool.free).toBe(1);
    expect(taken(pool)).toBe(block);
    expect(pool.find('a')).toBeUndefined();
  });

  test('what was unused longest goes first', () => {
    const pool = new BlockPool(3);
    const blocks = ['a', 'b', 'c'].map((hash) => {
      const block = taken(pool);
      pool.register(block, hash);
      return block;
    });
    for (const place of [1, 0, 2]) pool.release(blocks[place] ?? Number.NaN);
    // Used again, and the last one now.
    pool.retain(blocks[1] ?? Number.NaN);
    pool.release(blocks[1] ?? Number.NaN);
    expect([taken(pool), taken(pool), taken(pool)]).toEqual([blocks[0], blocks[2], blocks[1]]);
  });

  test('a cached block that is held again is no longer free', () => {
    const pool = new BlockPool(2);
    const block = cached(pool, 'a');
    expect(pool.free).toBe(2);
    pool.retain(block);
    expect(pool.free).toBe(1);
    expect(taken(pool)).not.toBe(block);
    expect(pool.allocate()).toBeUndefined();
    pool.release(block);
    expect(pool.find('a')).toBe(block);
  });
});

describe('two blocks with the same contents', () => {
  test('while the first is held it stays the one to be found; the second is empty once let go', () => {
    const pool = new BlockPool(3);
    const [first, second] = [taken(pool), taken(pool)];
    pool.register(first, 'a');
    pool.register(second, 'a');
    expect(pool.find('a')).toBe(first);
    pool.release(second);
    pool.verify([first]);
    pool.release(first);
    expect(pool.free).toBe(3);
    // The duplicate goes before the contents that can be found.
    expect([taken(pool), taken(pool)]).toContain(second);
    expect(pool.find('a')).toBe(first);
    expect(pool.free).toBe(1);
  });

  test('one that nobody holds is freed for the new one, and goes first', () => {
    const pool = new BlockPool(3);
    cached(pool, 'b');
    const first = cached(pool, 'a');
    const second = taken(pool);
    pool.register(second, 'a');
    expect(pool.find('a')).toBe(second);
    expect(pool.free).toBe(2);
    pool.verify([second]);
    expect(taken(pool)).toBe(first);
    expect(pool.find('b')).toBeDefined();
    pool.release(second);
    expect(pool.find('a')).toBe(second);
  });
});

test('dropping what is cached leaves what is held', () => {
  const pool = new BlockPool(3);
  cached(pool, 'a');
  const held = taken(pool);
  pool.register(held, 'b');
  pool.evictCached();
  expect([pool.find('a'), pool.find('b'), pool.free]).toEqual([undefined, held, 2]);
  pool.verify([held]);
  expect(
    [pool.allocate(), pool.allocate(), pool.allocate()].filter((each) => each !== undefined).length,
  ).toBe(2);
});

test('verify tells of a holder too many and of one too few', () => {
  const pool = new BlockPool(2);
  const block = taken(pool);
  pool.verify([block]);
  expect(() => pool.verify([])).toThrow('1 holders in the books, 0 in fact');
  expect(() => pool.verify([block, block])).toThrow('1 holders in the books, 2 in fact');
});
