import { expect, test } from 'vitest';
import { FakeEngine } from '../../tests/support/fake-engine.js';
import { ReplaceableAdapters } from './replaceable-adapters.js';

test('new requests take the new weights, running ones keep theirs, and the name stays one', async () => {
  const engine = new FakeEngine({ tokenDelay: 5 });
  const adapters = new ReplaceableAdapters(engine);
  await adapters.loadAdapter({ name: 'poet', path: 'one' });
  const request = { promptIds: [1], maxNewTokens: 4, adapter: 'poet' };
  adapters.generate(request);
  await adapters.replaceAdapter({ name: 'poet', path: 'two' });
  expect(adapters.adapters).toEqual([{ name: 'poet', path: 'two' }]);
  adapters.generate(request);
  await adapters.replaceAdapter({ name: 'poet', path: 'three' });
  adapters.generate(request);
  const used = engine.requests.map(({ adapter }) => adapter);
  expect(new Set(used).size).toBe(3);
  expect(used[0]).toBe('poet');
  await new Promise((resolve) => setImmediate(resolve));
  expect(engine.adapters.map(({ path }) => path)).toEqual(['three']);
  await adapters.unloadAdapter('poet');
  expect(adapters.adapters).toEqual([]);
  // A name that is free is loaded as usual.
  await adapters.replaceAdapter({ name: 'poet', path: 'four' });
  expect(engine.adapters).toEqual([{ name: 'poet', path: 'four' }]);
});

test('where the new ones cannot be loaded, the old ones stay', async () => {
  const engine = new FakeEngine();
  const adapters = new ReplaceableAdapters(engine);
  await adapters.loadAdapter({ name: 'poet', path: 'one' });
  engine.loadAdapter = () => Promise.reject(new Error('no adapter there'));
  await expect(adapters.replaceAdapter({ name: 'poet', path: 'two' })).rejects.toThrow('no adapter there');
  expect(adapters.adapters).toEqual([{ name: 'poet', path: 'one' }]);
});
