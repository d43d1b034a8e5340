import { describe, expect, test } from 'vitest';
import { InputError } from '../../errors/index.js';
import type { Sample } from '../sample.js';
import {
  type Duplicate,
  dropExactDuplicates,
  dropNearDuplicates,
  type NearDuplicateOptions,
} from './index.js';
import { MinHasher } from './minhash.js';
import { chooseBands } from './minhash-index.js';
import { OriginTable } from './origin-table.js';

async function* samplesOf(texts: Iterable<string>): AsyncGenerator<Sample> {
  let line = 0;
  for (const text of texts) yield { kind: 'text', text, origin: { file: 'f.jsonl', line: ++line } };
}

async function collect(
  run: (onDrop: (duplicate: Duplicate) => void) => AsyncIterable<Sample>,
): Promise<{ kept: number[]; dropped: [number, number][]; similarities: number[] }> {
  const kept: number[] = [];
  const duplicates: Duplicate[] = [];
  for await (const { origin } of run((duplicate) => duplicates.push(duplicate))) kept.push(origin.line);
  return {
    kept,
    dropped: duplicates.map(({ dropped, first }) => [dropped.line, first.line]),
    similarities: duplicates.map(({ similarity }) => similarity),
  };
}

const near = (texts: readonly string[], options: NearDuplicateOptions = { workers: 1 }) =>
  collect((onDrop) => dropNearDuplicates(samplesOf(texts), options, onDrop));

/** Different words for every text, the same for every run. */
function words(seed: number, count: number): string[] {
  let state = seed * 7919 + 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return `w${state >>> 8}`;
  });
}

const chinese = (start: number, length: number): string =>
  String.fromCharCode(...Array.from({ length }, (_, index) => 0x4e00 + ((start + index * 37) % 20_000)));

/** Dialogues of the same two answers; of each, what the record says of them. */
async function* marked(marks: readonly (readonly (boolean | undefined)[])[]): AsyncGenerator<Sample> {
  const answer = 'the long answer to the question that was asked of the one who answers';
  for (const [index, [first, second]] of marks.entries())
    yield {
      kind: 'dialogue',
      messages: [
        ...(index % 2 === 0 ? [] : [{ role: 'system', content: '' } as const]),
        { role: 'user', content: 'what is the first question' },
        { role: 'assistant', content: `${answer} first`, isLearned: first },
        { role: 'user', content: 'what is the second question' },
        { role: 'assistant', content: `${answer} second`, isLearned: second },
      ],
      origin: { file: 'f', line: index + 1 },
    };
}

describe('what is learned', () => {
  const marks = [
    [],
    [true, true],
    [false, true],
    [undefined, true],
    [false, undefined],
    [true, false],
    [true],
  ];
  const dropped = {
    all: [
      [2, 1],
      [4, 1],
      [5, 3],
      [7, 1],
    ],
    // Only the last answer is learned where nothing is said: 2 and 7 learn both.
    last: [
      [3, 1],
      [4, 1],
      [5, 1],
      [7, 2],
    ],
  };
  test.each(['all', 'last'] as const)(
    'tells records of the same texts apart, answers %s',
    async (answers) => {
      const exact = await collect((onDrop) => dropExactDuplicates(marked(marks), onDrop, { answers }));
      expect(exact.dropped).toEqual(dropped[answers]);
      const near = await collect((onDrop) =>
        dropNearDuplicates(marked(marks), { answers, workers: 1 }, onDrop),
      );
      expect(near.dropped).toEqual(dropped[answers]);
    },
  );
});

describe('exact', () => {
  const exact = (samples: AsyncIterable<Sample>) => collect((onDrop) => dropExactDuplicates(samples, onDrop));

  test('the first is kept; case, width and spacing do not count', async () => {
    const texts = ['Hello world', '你好', 'hello  WORLD\n', 'Ｈｅｌｌｏ world', '你好！', '你好'];
    expect(await exact(samplesOf(texts))).toMatchObject({
      kept: [1, 2, 5],
      dropped: [
        [3, 1],
        [4, 1],
        [6, 2],
      ],
    });
  });

  test('roles count', async () => {
    async function* dialogues(): AsyncGenerator<Sample> {
      const origin = (line: number) => ({ file: 'f', line });
      const turn = (role: 'user' | 'assistant', content: string) => ({ role, content });
      yield { kind: 'dialogue', messages: [turn('user', 'ab'), turn('assistant', 'c')], origin: origin(1) };
      yield { kind: 'dialogue', messages: [turn('user', 'a'), turn('assistant', 'bc')], origin: origin(2) };
      yield { kind: 'dialogue', messages: [turn('user', 'A b'), turn('assistant', 'c')], origin: origin(3) };
    }
    expect(await exact(dialogues())).toMatchObject({ kept: [1, 2], dropped: [[3, 1]] });
  });

  test('the table keeps every origin as it grows', () => {
    const table = new OriginTable();
    const key = (index: number): [number, number] => [Math.imul(index, 0x9e3779b1) >>> 0, index % 7];
    for (let index = 1; index <= 50_000; index += 1)
      expect(table.findOrAdd(...key(index), { file: `f${index % 3}`, line: index })).toBeUndefined();
    expect(table.size).toBe(50_000);
    for (let index = 1; index <= 50_000; index += 997)
      expect(table.findOrAdd(...key(index), { file: 'other', line: 1 })).toEqual({
        file: `f${index % 3}`,
        line: index,
      });
  });
});

describe('near', () => {
  test('small changes in Chinese and English are found, other texts are kept', async () => {
    const english = words(1, 300);
    const changed = [...english.slice(0, 150), 'changed', ...english.slice(151)].join(' ');
    const texts = [
      english.join(' '),
      chinese(1, 300),
      changed,
      words(2, 300).join(' '),
      `${chinese(1, 297)}的了吗`,
      chinese(9, 300),
    ];
    const { kept, dropped, similarities } = await near(texts);
    expect(kept).toEqual([1, 2, 4, 6]);
    expect(dropped).toEqual([
      [3, 1],
      [5, 2],
    ]);
    for (const similarity of similarities) expect(similarity).toBeGreaterThan(0.85);
  });

  test('the result does not depend on the number of workers', async () => {
    const texts = Array.from({ length: 1500 }, (_, index) => words(index % 900, 20 + (index % 30)).join(' '));
    const alone = await near(texts, { workers: 1, threshold: 0.7 });
    expect(alone.dropped.length).toBeGreaterThan(300);
    expect(await near(texts, { workers: 2, threshold: 0.7 })).toEqual(alone);
  });

  test('texts without words, and of fewer words than a shingle', async () => {
    expect(await near(['', '。。。', '', 'one two', 'One, two!', '你'])).toMatchObject({
      kept: [1, 2, 3, 4, 6],
      dropped: [[5, 4]],
    });
  });

  test('a threshold outside (0, 1] is refused', async () => {
    await expect(near(['a'], { threshold: 80 })).rejects.toThrow(InputError);
  });
});

describe('MinHash', () => {
  test.each([0.2, 0.5, 0.8, 0.95])('estimates a Jaccard similarity of %d', (similarity) => {
    const errors: number[] = [];
    for (let seed = 0; seed < 20; seed += 1) {
      const hasher = new MinHasher({ shingle: 1, seed });
      const out = new Uint32Array(2 * hasher.bins);
      const size = 1000;
      const shared = Math.round((2 * size * similarity) / (1 + similarity));
      const common = words(seed, shared);
      hasher.write([...common, ...words(seed + 100, size - shared)].join(' '), out, 0);
      hasher.write([...common, ...words(seed + 200, size - shared)].join(' '), out, hasher.bins);
      let equal = 0;
      for (let bin = 0; bin < hasher.bins; bin += 1) if (out[bin] === out[bin + hasher.bins]) equal += 1;
      errors.push(equal / hasher.bins - similarity);
    }
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.max(...errors.map(Math.abs))).toBeLessThan(0.16);
  });

  test('a signature is a function of words, not of spacing, case and punctuation; seeds differ', () => {
    const signature = (text: string, seed = 0): Uint32Array => {
      const out = new Uint32Array(128);
      new MinHasher({ seed }).write(text, out, 0);
      return out;
    };
    expect(signature('One, two! three four five six')).toEqual(signature('one two THREE\nfour five six'));
    expect(signature('one two three', 1)).not.toEqual(signature('one two three', 2));
  });

  test('bands find a pair at the threshold in 95 of 100 cases', () => {
    for (const threshold of [0.3, 0.5, 0.7, 0.8, 0.9]) {
      const { bands, rows } = chooseBands(128, threshold);
      expect(bands * rows).toBeLessThanOrEqual(128);
      expect(1 - (1 - threshold ** rows) ** bands).toBeGreaterThanOrEqual(0.95);
    }
  });
});
