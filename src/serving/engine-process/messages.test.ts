import { deserialize, serialize } from 'node:v8';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import type { SequenceEnd, StepEvent } from '../../generation/index.js';
import { packEvents, unpackEvents } from './messages.js';

const logProb = fc.record({ id: fc.nat(), logProb: fc.constantFrom(-0.5, Number.NEGATIVE_INFINITY) });
const logProbs = fc.array(fc.record({ chosen: logProb, top: fc.array(logProb, { maxLength: 2 }) }), {
  maxLength: 2,
});
const end = fc.constant<SequenceEnd>({
  finishReason: 'stop',
  stopReason: '。',
  promptTokens: 3,
  cachedTokens: 0,
  generatedTokens: 4,
  queueMs: 0.1,
  prefillMs: 2,
  decodeMs: 3,
});
const event = fc.record(
  { text: fc.string({ unit: 'binary' }), ids: fc.array(fc.nat(200_000), { maxLength: 4 }), logProbs, end },
  { requiredKeys: ['text', 'ids'] },
);
const stepEvent = fc.oneof(
  { weight: 9, arbitrary: fc.record({ id: fc.constantFrom('r1', 'r2', 'r3'), event }) },
  { weight: 1, arbitrary: fc.string().map((message) => ({ id: 'r4', error: new InputError(message) })) },
);

test('what is packed, sent and unpacked is what it was, in the order of each request', () => {
  fc.assert(
    fc.property(fc.array(stepEvent, { maxLength: 12 }), (events) => {
      const received = [...unpackEvents(deserialize(serialize(packEvents(events))))];
      expect(received).toHaveLength(events.length);
      for (const id of ['r1', 'r2', 'r3', 'r4']) {
        const of = (list: readonly StepEvent[]): unknown[] =>
          list.filter((each) => each.id === id).map((each) => each.event ?? each.error);
        expect(of(received)).toEqual(of(events));
      }
    }),
  );
});

test('errors keep their kind', () => {
  const errors = [new InputError('wrong'), new TypeError('a fault')];
  const packed = packEvents(errors.map((error) => ({ id: 'a', error })));
  const [first, second] = [...unpackEvents(deserialize(serialize(packed)))].map(({ error }) => error);
  expect(first).toBeInstanceOf(InputError);
  expect(second).not.toBeInstanceOf(InputError);
  expect([first?.message, second?.message]).toEqual(['wrong', 'a fault']);
});
