import { afterAll, expect, test } from 'vitest';
import { TemplateQueue } from './template-queue.js';

const endless = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
const queue = new TemplateQueue({ timeout: 400, maxWaitingPerKey: 3, maxWaiting: 5 });
afterAll(() => queue.close());

test("endless templates of a caller hold up neither the operator's nor another key for longer than one", async () => {
  await queue.renderOwn('warm', { values: {} });
  await queue.renderCallers('warm', { values: {} }, { keyName: 'a' });
  const order: string[] = [];
  const loops = Array.from({ length: 4 }, (_, index) =>
    queue
      .renderCallers(endless, { values: {} }, { keyName: 'a' })
      .catch(({ status }) => order.push(`a${index} ${status}`)),
  );
  const refused = queue.renderCallers(endless, { values: {} }, { keyName: 'a' });
  await expect(refused).rejects.toMatchObject({ status: 429, retryAfter: 2 });
  const other = queue
    .renderCallers('b {{ x }}', { values: { x: 1 } }, { keyName: 'b' })
    .then(({ text }) => order.push(text));
  const started = performance.now();
  expect((await queue.renderOwn('own {{ x }}', { values: { x: 2 } })).text).toBe('own 2');
  expect(performance.now() - started).toBeLessThan(350);
  await Promise.all([...loops, other]);
  // One of them was running, one more had its turn.
  expect(order.indexOf('b 1')).toBeLessThanOrEqual(2);
  expect(order.filter((text) => text.startsWith('a'))).toEqual(['a0 422', 'a1 422', 'a2 422', 'a3 422']);
}, 20_000);

test('all keys together have a limit, and who is gone does not run', async () => {
  const controller = new AbortController();
  const gone = queue.renderCallers(endless, { values: {} }, { keyName: 'z', signal: controller.signal });
  const aborted = queue.renderCallers(endless, { values: {} }, { keyName: 'y', signal: controller.signal });
  controller.abort(new Error('gone'));
  await expect(aborted).rejects.toThrow('gone');
  await expect(gone).rejects.toMatchObject({ status: 422 });
  const many = Array.from({ length: 7 }, (_, index) =>
    queue.renderCallers('x', { values: {} }, { keyName: `key-${index}` }).then(
      () => 200,
      ({ status }) => status,
    ),
  );
  expect((await Promise.all(many)).filter((status) => status === 429)).toHaveLength(1);
}, 20_000);
