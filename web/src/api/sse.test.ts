import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readServerEvents, SseParser } from './sse.js';

const eventData = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replace(/[\r\n]/g, '·'));
const lineEnd = fc.constantFrom('\n', '\r\n', '\r');
const noise = fc.constantFrom(': ping', 'event: message', 'id: 7', 'retry: 10', 'unknown');

/** A stream and the data of its events. */
const stream = fc
  .tuple(
    lineEnd,
    fc.array(
      fc.tuple(fc.array(noise, { maxLength: 2 }), fc.array(eventData, { minLength: 1, maxLength: 3 })),
    ),
  )
  .map(([end, events]) => ({
    text: events
      .map(([others, lines]) => [...others, ...lines.map((line) => `data: ${line}`), ''].join(end) + end)
      .join(''),
    data: events.map(([, lines]) => lines.join('\n')),
  }));

/** The places where the bytes are cut into packets. */
const cuts = fc.array(fc.nat(), { maxLength: 20 });

function cutBytes(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const borders = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...borders].map((from, index) => bytes.slice(from, borders[index] ?? bytes.length));
}

function bodyOf(packets: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const packet of packets) controller.enqueue(packet);
      controller.close();
    },
  });
}

describe('SseParser', () => {
  it('gives the same events wherever the bytes are cut, characters and line ends included', async () => {
    await fc.assert(
      fc.asyncProperty(stream, cuts, async ({ text, data }, places) => {
        const body = bodyOf(cutBytes(new TextEncoder().encode(text), places));
        expect(await collect(readServerEvents(body))).toEqual(data);
      }),
    );
  });

  it('stands whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 20 }), { maxLength: 12 }), (pieces) => {
        const parser = new SseParser();
        const together = new SseParser().feed(pieces.join(''));
        expect(pieces.flatMap((piece) => parser.feed(piece))).toEqual(together);
      }),
    );
  });

  it('takes off one space only, and a byte order mark', () => {
    expect(new SseParser().feed('\uFEFFdata:  two\n\ndata:none\n\ndata\n\n')).toEqual([' two', 'none', '']);
  });

  it('keeps what is not ended to itself', () => {
    const parser = new SseParser();
    expect(parser.feed('data: {"half"')).toEqual([]);
    expect(parser.feed(':1}\n')).toEqual([]);
    expect(parser.feed('\n')).toEqual(['{"half":1}']);
  });

  it('closes the connection when the reader leaves', async () => {
    let isCancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: 1\n\n')),
      cancel: () => {
        isCancelled = true;
      },
    });
    for await (const _ of readServerEvents(body)) break;
    expect(isCancelled).toBe(true);
  });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
