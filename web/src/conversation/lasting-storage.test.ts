import { describe, expect, it, vi } from 'vitest';
import { LastingStorage } from './lasting-storage.js';
import { MemoryStorage } from './storage.js';
import { message, thread } from './test-threads.js';

const { conversation } = thread();
const QUICK = { openMs: 30, writeMs: 30, readMs: 30 };
const question = message('q1', null, 1);

/** Refuses, or is silent, as it is told. */
class TroubledStorage extends MemoryStorage {
  trouble: 'none' | 'refuses' | 'silent' = 'none';

  override async save(...given: Parameters<MemoryStorage['save']>): Promise<void> {
    if (this.trouble === 'refuses') throw new DOMException('full', 'QuotaExceededError');
    if (this.trouble === 'silent') await new Promise(() => {});
    return super.save(...given);
  }
}

describe('LastingStorage', () => {
  it.each(['refuses', 'silent'] as const)('holds what a storage that %s does not take', async (trouble) => {
    const inner = new TroubledStorage();
    const storage = new LastingStorage(Promise.resolve(inner), QUICK);
    inner.trouble = trouble;
    await storage.save([conversation], [question]);
    expect(storage.fault.value).toBe('not-written');
    expect(await storage.conversations()).toEqual([conversation]);
    expect(await storage.messages('c')).toEqual([question]);
    expect(await storage.search('text of', new AbortController().signal)).toEqual(new Set(['c']));
    expect(await inner.conversations()).toEqual([]);
  });

  it('gives it all when there is room again, what was deleted left out', async () => {
    const inner = new TroubledStorage();
    const storage = new LastingStorage(Promise.resolve(inner), QUICK);
    await storage.save([conversation], [question]);
    inner.trouble = 'refuses';
    await storage.save([{ ...conversation, id: 'd' }], [message('q2', null, 2)]);
    await storage.removeMessages(['q1']);
    inner.trouble = 'none';
    await storage.save([], []);
    await vi.waitFor(() => expect(storage.fault.value).toBe(undefined));
    expect((await inner.conversations()).map(({ id }) => id)).toEqual(['c', 'd']);
    expect((await inner.messages('c')).map(({ id }) => id)).toEqual(['q2']);
  });

  it('goes on in memory where the storage never opens, and clears there too', async () => {
    const storage = new LastingStorage(new Promise(() => {}), QUICK);
    await storage.save([conversation], [question]);
    await vi.waitFor(() => expect(storage.fault.value).toBe('not-open'));
    expect(await storage.messages('c')).toEqual([question]);
    await storage.remove('c');
    expect(await storage.messages('c')).toEqual([]);
    await storage.savePersona({ id: 'p', name: 'n', system: 's' });
    await storage.clear();
    expect(await storage.personas()).toEqual([]);
  });
});
