/** Text out of the engine: whole characters, stop strings, grammars, errors of one request. */
import { afterAll, describe, expect, test } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { loadModel } from '../../models/index.js';
import { liveTensorCount } from '../../tensor/index.js';
import { loadTokenizer } from '../../tokenizers/index.js';
import type { TextEvent, TextRequest } from '../requests.js';
import type { ConstraintSource, TokenConstraint } from '../structured/token-constraint.js';
import { TextEngine, type TextEngineOptions } from './text-engine.js';

const { model } = loadModel(`${goldenFolder}xverse`);
const tokenizer = loadTokenizer(`${goldenFolder}tokenizers/spm_bpe_bytefallback`);
afterAll(() => model.dispose());

/** Lets exactly these ids come, one after the other. */
class Script implements TokenConstraint {
  isReady = true;
  readonly #ids: readonly number[];
  #next = 0;
  isDisposed = false;

  constructor(ids: readonly number[]) {
    this.#ids = ids;
  }

  whenReady(_call: () => void): void {}

  allowed(): Uint32Array {
    const words = new Uint32Array(Math.ceil(model.shape.vocabSize / 32));
    const id = this.#ids[this.#next];
    if (id !== undefined) words[id >> 5] = 1 << (id & 31);
    return words;
  }

  accept(): void {
    this.#next += 1;
  }

  dispose(): void {
    this.isDisposed = true;
  }
}

/** The UTF-8 bytes of a text as byte pieces, which every tokenizer with byte fallback has. */
function bytePieces(text: string): number[] {
  return [...Buffer.from(text)].map((byte) => {
    const id = tokenizer.tokenToId(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    if (id === undefined || id >= model.shape.vocabSize) throw new Error(`no piece for byte ${byte}`);
    return id;
  });
}

function scripted(ids: readonly number[]): { source: ConstraintSource; scripts: Script[] } {
  const scripts: Script[] = [];
  return {
    scripts,
    source: {
      async create(spec) {
        if (spec.kind === 'regex') throw new InputError('regex: refused');
        const script = new Script(ids);
        scripts.push(script);
        return script;
      },
    },
  };
}

async function run(ids: readonly number[], changes: Partial<TextRequest>): Promise<TextEvent[]> {
  const { source, scripts } = scripted(ids);
  const engine = new TextEngine(model, tokenizer, { grammars: source });
  const events: TextEvent[] = [];
  let error: Error | undefined;
  engine.submit('a', { promptIds: [5, 6], maxNewTokens: ids.length, grammar: { kind: 'json' }, ...changes });
  await new Promise<void>((resolve) => {
    engine.onReady = resolve;
  });
  while (engine.hasWork)
    for (const { event, error: failure } of engine.step())
      if (event === undefined) error = failure;
      else events.push(event);
  expect(engine.stats.freeBlocks).toBe(engine.stats.blocks);
  expect(scripts.every(({ isDisposed }) => isDisposed)).toBe(true);
  engine.dispose();
  if (error !== undefined) throw error;
  return events;
}

const textOf = (events: readonly TextEvent[]): string => events.map(({ text }) => text).join('');

test('a character comes when its last byte has come, and never in pieces', async () => {
  const events = await run(bytePieces('你好，a🙂'), {});
  expect(events.map(({ text }) => text)).toEqual([
    '',
    '',
    '你',
    '',
    '',
    '好',
    '',
    '',
    '，',
    'a',
    '',
    '',
    '',
    '🙂',
  ]);
  expect(events.at(-1)?.end).toMatchObject({
    finishReason: 'length',
    stopReason: undefined,
    generatedTokens: 14,
  });
});

test('an answer that ends within a character shows what is broken', async () => {
  expect(textOf(await run(bytePieces('好').slice(0, 2), {}))).toMatch(/^\uFFFD+$/);
});

test.each([
  { stopStrings: ['世界'], text: '你好，', stop: '世界', ids: 15 },
  { stopStrings: ['世'], text: '你好，', stop: '世', ids: 12 },
  { stopStrings: ['世界', '好，世'], text: '你', stop: '好，世', ids: 12 },
  { stopStrings: ['界人'], text: '你好，世界', stop: undefined, ids: 15 },
])('stop strings $stopStrings', async ({ stopStrings, text, stop, ids }) => {
  const events = await run(bytePieces('你好，世界'), { stopStrings });
  expect(textOf(events)).toBe(text);
  expect(events.flatMap((event) => event.ids).length).toBe(ids);
  expect(events.at(-1)?.end).toMatchObject({
    finishReason: stop === undefined ? 'length' : 'stop',
    stopReason: stop,
    generatedTokens: ids,
  });
});

test('a stop string is shown where that is asked for', async () => {
  const events = await run(bytePieces('ab\n\ncd'), { stopStrings: ['\n\n'], includeStopString: true });
  expect(textOf(events)).toBe('ab\n\n');
});

test('a stop id is no part of the text', async () => {
  const [a = 0, stop = 0] = bytePieces('ab');
  const events = await run([a, stop, a], { stopTokenIds: [stop] });
  expect(textOf(events)).toBe('a');
  expect(events.at(-1)?.end).toMatchObject({ finishReason: 'stop', stopReason: stop, generatedTokens: 2 });
});

test('log-probabilities are cut with the ids', async () => {
  const events = await run(bytePieces('abc'), { stopStrings: ['b'], logProbs: 1 });
  expect(events.flatMap(({ logProbs = [] }) => logProbs).length).toBe(2);
});

test('a grammar that is refused, and one that ends in nothing, are errors of their request', async () => {
  await expect(run(bytePieces('a'), { grammar: { kind: 'regex', pattern: '(' } })).rejects.toThrow(
    'regex: refused',
  );
  await expect(run([], { maxNewTokens: 1 })).rejects.toThrow('no token of this vocabulary');
});

test('an error of one request leaves the others alone', () => {
  const engine = new TextEngine(model, tokenizer);
  engine.submit('good', { promptIds: [5, 6], maxNewTokens: 3 });
  engine.submit('bad', {
    promptIds: [5, 6],
    maxNewTokens: 3,
    allowedTokenIds: [7],
    forbiddenSequences: [[7]],
  });
  const seen: string[] = [];
  while (engine.hasWork)
    for (const { id, event, error } of engine.step()) {
      if (event === undefined) seen.push(`${id}: ${error.message}`);
      else if (event.end !== undefined) seen.push(`${id}: ${event.end.generatedTokens}`);
    }
  expect(seen).toContain('good: 3');
  expect(seen.find((each) => each.startsWith('bad'))).toContain('allow no token');
  expect(engine.stats.freeBlocks).toBe(engine.stats.blocks);
  engine.dispose();
});

test('what is wrong with a request with a grammar is said before the grammar is compiled', () => {
  const { source, scripts } = scripted([5]);
  const engine = new TextEngine(model, tokenizer, { grammars: source });
  const bad: TextRequest = { promptIds: [5, 1e6], maxNewTokens: 1, grammar: { kind: 'json' } };
  expect(() => engine.submit('a', bad)).toThrow('outside the vocabulary');
  expect(engine.stats).toMatchObject({ waiting: 0, waitingTokens: 0 });
  expect(scripts.length).toBe(0);
  engine.dispose();
});

test('a request that waits for its grammar is counted with its tokens; one that failed and was cancelled is silent', async () => {
  const { source } = scripted([5]);
  const engine = new TextEngine(model, tokenizer, { grammars: source });
  const ready = new Promise<void>((resolve) => {
    engine.onReady = resolve;
  });
  engine.submit('a', { promptIds: [5, 6, 7], maxNewTokens: 1, grammar: { kind: 'regex', pattern: '(' } });
  expect(engine.stats).toMatchObject({ waiting: 1, waitingTokens: 3 });
  await ready;
  engine.cancel('a');
  expect(engine.hasWork).toBe(false);
  expect(engine.step()).toEqual([]);
  engine.dispose();
});

test('an id is free again once its request was cancelled, with a grammar and without', async () => {
  const { source } = scripted(bytePieces('ok'));
  const engine = new TextEngine(model, tokenizer, { grammars: source });
  for (const grammar of [undefined, { kind: 'json' } as const]) {
    const request = { promptIds: [5, 6, 7], maxNewTokens: 2, grammar };
    engine.submit('a', request);
    expect(() => engine.submit('a', request)).toThrow(/"a" is already under way/);
    engine.cancel('a');
    engine.submit('a', request);
    engine.cancel('a');
  }
  expect(engine.stats).toMatchObject({ running: 0, waiting: 0, waitingTokens: 0 });
  engine.dispose();
});

test('a disposed engine has given its pages back', () => {
  const before = liveTensorCount();
  const engine = new TextEngine(model, tokenizer);
  engine.submit('a', { promptIds: [5, 6, 7], maxNewTokens: 20 });
  engine.step();
  expect(liveTensorCount()).toBeGreaterThan(before);
  engine.dispose();
  expect(liveTensorCount()).toBe(before);
});

test('drafts that go beyond a stop string, a stop id and the fewest tokens change neither text nor counts', () => {
  const allowedTokenIds = bytePieces('abc'); // So few that the text repeats itself.
  const promptIds = Array.from({ length: 24 }, (_, index) => allowedTokenIds[index % 3] ?? 0);
  const outcome = (maxDrafts: number, changes: Partial<TextRequest>) => {
    const engine = new TextEngine(model, tokenizer, { maxDrafts });
    engine.submit('a', { promptIds, maxNewTokens: 40, logProbs: 1, allowedTokenIds, ...changes });
    const ids: number[] = [];
    const logProbs: unknown[] = [];
    const sum = { text: '', ids, logProbs, end: {} };
    while (engine.hasWork)
      for (const { event, error } of engine.step()) {
        if (event === undefined) throw error;
        sum.text += event.text;
        ids.push(...event.ids);
        logProbs.push(...(event.logProbs ?? []));
        const { finishReason, stopReason, generatedTokens } = event.end ?? {};
        if (event.end !== undefined) sum.end = { finishReason, stopReason, generatedTokens };
      }
    const { acceptedDraftTokens, blocks, freeBlocks } = engine.stats;
    expect(freeBlocks).toBe(blocks);
    engine.dispose();
    return { sum, acceptedDraftTokens };
  };
  const free = outcome(0, {});
  const { text, ids } = free.sum;
  expect(outcome(6, {}).acceptedDraftTokens, 'drafts are taken').toBeGreaterThan(5);
  const strings = Array.from({ length: 12 }, (_, start) => text.slice(2 * start, 2 * start + 3));
  const cases: Partial<TextRequest>[] = [
    ...strings.filter((each) => each !== '').map((each) => ({ stopStrings: [each] })),
    ...[...new Set(ids)].flatMap((id) => [
      { stopTokenIds: [id] },
      { stopTokenIds: [id], minNewTokens: 20 },
      { stopTokenIds: [id], stopStrings: ['ab'], minNewTokens: 5 },
    ]),
  ];
  for (const changes of cases) {
    const { sum } = outcome(6, changes);
    expect(sum, JSON.stringify(changes)).toEqual(outcome(0, changes).sum);
    expect(sum.logProbs.length).toBe(sum.ids.length);
    expect(sum.end).toMatchObject({ generatedTokens: sum.ids.length });
  }
});

test.each([
  { minNewTokens: 0, text: 'a', ids: 2 },
  { minNewTokens: 1, text: 'a', ids: 2 },
  { minNewTokens: 2, text: 'ab', ids: 4 },
  { minNewTokens: 4, text: 'abab', ids: 5 },
])('a stop string begins behind the fewest tokens: $minNewTokens', async ({ minNewTokens, text, ids }) => {
  const events = await run(bytePieces('ababab'), {
    stopStrings: minNewTokens === 2 ? ['ab'] : minNewTokens === 4 ? ['a'] : ['b'],
    minNewTokens,
  });
  expect(textOf(events)).toBe(text);
  expect(events.flatMap((event) => event.ids).length).toBe(ids);
  expect(events.at(-1)?.end).toMatchObject({ finishReason: 'stop', generatedTokens: ids });
});

test('stop strings and beams exclude each other', () => {
  const engine = new TextEngine(model, tokenizer);
  const bad: TextRequest = { promptIds: [5], maxNewTokens: 4, beams: { count: 2 }, stopStrings: ['a'] };
  expect(() => engine.submit('a', bad)).toThrow(InputError);
  engine.dispose();
});

test('restrictions that leave no token are wrong input, not a fault', async () => {
  const [a = 0] = bytePieces('a');
  await expect(run([a, a], { forbiddenSequences: [[a]] })).rejects.toThrow(InputError);
  await expect(run([a], { maxNewTokens: 3, stopTokenIds: [a], minNewTokens: 2 })).rejects.toThrow(
    'contradict each other',
  );
});

describe('a mask that is not there yet', () => {
  /** Masks come when the test says so. */
  class LateScript extends Script {
    override isReady = false;
    #call: (() => void) | undefined;

    override whenReady(call: () => void): void {
      this.#call = call;
    }

    override accept(): void {
      super.accept();
      this.isReady = false;
    }

    arrive(): void {
      this.isReady = true;
      this.#call?.();
      this.#call = undefined;
    }
  }

  async function start(others: number, options: TextEngineOptions = {}) {
    const script = new LateScript(bytePieces('abcdef'));
    const engine = new TextEngine(model, tokenizer, { ...options, grammars: { create: async () => script } });
    for (let other = 0; other < others; other++)
      engine.submit(`o${other}`, { promptIds: [5, 6, 7 + other], maxNewTokens: 40 });
    engine.submit('late', { promptIds: [5, 6], maxNewTokens: 6, grammar: { kind: 'json' } });
    await new Promise<void>((resolve) => {
      engine.onReady = resolve;
    });
    engine.onReady = undefined;
    const texts = new Map<string, string>();
    const step = (): string[] => {
      const stepped: string[] = [];
      for (const { id, event, error } of engine.step()) {
        if (error !== undefined) throw error;
        texts.set(id, (texts.get(id) ?? '') + event.text);
        stepped.push(id);
      }
      return stepped;
    };
    return { engine, script, step, texts };
  }

  test('its text sits the steps out, the others run', async () => {
    const { engine, script, step, texts } = await start(2);
    for (let round = 0; round < 6; round++) {
      for (let waited = 0; waited < 3; waited++) expect(step()).toEqual(['o0', 'o1']);
      script.arrive();
      expect(step()).toContain('late');
    }
    expect(texts.get('late')).toBe('abcdef');
    engine.dispose();
  });

  test('alone, it leaves nothing to do until the mask comes', async () => {
    const { engine, script, step, texts } = await start(0);
    expect(step()).toEqual([]);
    for (let round = 0; round < 6; round++) {
      step();
      expect(engine.hasWork).toBe(false);
      let isCalled = false;
      engine.onReady = () => {
        isCalled = true;
      };
      script.arrive();
      expect([isCalled, engine.hasWork]).toEqual([true, true]);
      expect(step()).toEqual(['late']);
    }
    expect([texts.get('late'), engine.hasWork, engine.stats.running]).toEqual(['abcdef', false, 0]);
    engine.dispose();
  });

  test('paused, cancelled, or made to give way meanwhile', async () => {
    const { engine, script, step } = await start(1);
    step();
    engine.pause('late');
    script.arrive();
    expect(step()).toEqual(['o0']);
    engine.resume('late');
    expect(step()).toContain('late');
    engine.cancel('late');
    script.arrive();
    expect(step()).toEqual(['o0']);
    expect([script.isDisposed, engine.stats.running]).toEqual([true, 1]);
    engine.dispose();
  });

  test('a text that gives way while it waits has the same answer', async () => {
    // Room for one of them and a half.
    const { engine, script, step, texts } = await start(1, { cacheTokens: 48 });
    let rounds = 0;
    for (; engine.hasWork || !script.isReady; rounds++) {
      expect(rounds).toBeLessThan(500);
      if (rounds % 9 === 8) script.arrive();
      step();
      if (texts.get('late') === 'abcdef' && !engine.hasWork) break;
    }
    expect(texts.get('late')).toBe('abcdef');
    engine.dispose();
  });
});
