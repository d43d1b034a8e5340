import { afterEach, beforeEach, expect, test } from 'vitest';
import { SPARK_KEYS, type SparkServer, startSparkServer } from '../../../tests/support/spark-server.js';
import { type ModelQuestion, RateLimit } from '../../evaluation/index.js';
import { SparkModel, type SparkModelOptions } from './spark-model.js';
import { signedSparkUrl, sparkSignature } from './spark-signature.js';

let server: SparkServer;

beforeEach(async () => {
  server = await startSparkServer(({ question }) => ['你说', '“', question, '”']);
});
afterEach(() => server.close());

interface Told {
  readonly answers: Map<number, string>;
  readonly failures: Map<number, string>;
}

async function ask(
  questions: readonly string[],
  options: Partial<SparkModelOptions> = {},
): Promise<Told & { model: SparkModel }> {
  const model = new SparkModel({
    keys: SPARK_KEYS,
    address: server.address,
    backoffSeconds: 0.01,
    timeoutSeconds: 5,
    ...options,
  });
  const told: Told = { answers: new Map(), failures: new Map() };
  await model.answer(questions.map(question), {
    onAnswer: (place, { output = '' }) => told.answers.set(place, output),
    onUnanswerable: (place, reason) => told.failures.set(place, reason),
    onFailure: (place, reason) => told.failures.set(place, reason),
  });
  return { ...told, model };
}

function question(text: string): ModelQuestion {
  return { kind: 'text', form: 'chat', prompt: { shots: [], question: text }, stop: [], maxNewTokens: 64 };
}

/** Computed with Python's hmac and base64. */
test('the signature is the HMAC of host, date and request line', () => {
  expect(
    sparkSignature('MyApiSecret', {
      host: 'spark-api.xf-yun.com',
      date: 'Fri, 05 May 2023 10:43:39 GMT',
      path: '/v1.1/chat',
    }),
  ).toBe('U/iWmLONhuGz7odkHa0HZO4QLkj6COSv0x7GQpp3a+8=');
  const url = new URL(
    signedSparkUrl(
      'wss://spark-api.xf-yun.com/v1.1/chat',
      { appId: 'a', apiKey: 'k', apiSecret: 'MyApiSecret' },
      new Date('2023-05-05T10:43:39Z'),
    ),
  );
  expect(url.searchParams.get('date')).toBe('Fri, 05 May 2023 10:43:39 GMT');
  expect(url.searchParams.get('host')).toBe('spark-api.xf-yun.com');
  expect(Buffer.from(url.searchParams.get('authorization') ?? '', 'base64').toString()).toBe(
    'api_key="k", algorithm="hmac-sha256", headers="host date request-line", signature="U/iWmLONhuGz7odkHa0HZO4QLkj6COSv0x7GQpp3a+8="',
  );
});

test('frames are joined, tokens counted, the request is as the interface says', async () => {
  const { answers, model } = await ask(['你好', '再见'], { temperature: 0.3 });
  expect([...answers].sort()).toEqual([
    [0, '你说“你好”'],
    [1, '你说“再见”'],
  ]);
  expect(model.usage).toEqual({ promptTokens: 10, cachedTokens: 0, generatedTokens: 14 });
  expect(server.calls[0]?.body).toEqual({
    header: { app_id: 'app-1', uid: 'xinghe' },
    parameter: { chat: { domain: 'generalv3.5', temperature: 0.3, max_tokens: 64 } },
    payload: { message: { text: [{ role: 'user', content: '你好' }] } },
  });
});

test.each([
  [10013, 'refused by moderation', 1],
  [10907, 'too long for the model', 1],
  [12345, 'code 12345', 1],
  [10008, 'service busy', 3],
  [11202, 'rate limit', 3],
] as const)('code %d: %s, asked %d times, and the next question is asked', async (code, reason, times) => {
  server.behave(({ question: said }) => (said === 'bad' ? code : ['good']));
  const { answers, failures } = await ask(['bad', 'fine'], { attempts: 3, parallel: 1 });
  expect(failures.get(0)).toBe(reason);
  expect(answers.get(1)).toBe('good');
  expect(server.calls.filter(({ question: said }) => said === 'bad')).toHaveLength(times);
});

test('what passes is asked again', async () => {
  server.behave(({ number }) =>
    number === 0 ? 'cut' : number === 1 ? 'junk' : number === 2 ? 10010 : ['at last'],
  );
  expect((await ask(['one'])).answers.get(0)).toBe('at last');
  server.behave(() => 'silent');
  expect((await ask(['one'], { attempts: 1, timeoutSeconds: 0.1 })).failures.get(0)).toBe('timed out');
});

test.each([11200, 10015, 10313])('code %d ends the run: no question will be answered', async (code) => {
  server.behave(() => code);
  await expect(ask(['one', 'two', 'three'], { parallel: 1 })).rejects.toThrow(`code ${code}`);
  expect(server.calls).toHaveLength(1);
});

test('wrong keys and a wrong clock are named, and no message holds a key', async () => {
  const wrong = ask(['one'], { keys: { ...SPARK_KEYS, apiSecret: 'very-wrong-secret' } });
  await expect(wrong).rejects.toThrow(/401.*SPARK_API_SECRET: they are wrong or have expired/);
  await wrong.catch((error: unknown) => {
    expect(String(error)).not.toContain('very-wrong-secret');
    expect(String(error)).not.toContain(SPARK_KEYS.apiKey);
    expect(String(error)).not.toContain('authorization');
  });
  server.setClock(301);
  await expect(ask(['one'])).rejects.toThrow(/403.*clock of this machine/);
  server.setClock(290);
  expect((await ask(['one'])).answers.size).toBe(1);
});

test('no more connections and no faster than allowed', async () => {
  const started = performance.now();
  await ask(['a', 'b', 'c', 'd', 'e', 'f'], { parallel: 3, rate: new RateLimit(50) });
  expect(server.most()).toBeLessThanOrEqual(3);
  expect(performance.now() - started).toBeGreaterThanOrEqual(95);
});

test('addresses and domains go together', () => {
  const named = (options: Partial<SparkModelOptions>): string => {
    const { identity } = new SparkModel({ keys: SPARK_KEYS, ...options });
    return `${identity.path} ${identity.model.name}`;
  };
  expect(named({})).toBe('wss://spark-api.xf-yun.com/v3.5/chat generalv3.5');
  expect(named({ domain: '4.0Ultra' })).toBe('wss://spark-api.xf-yun.com/v4.0/chat 4.0Ultra');
  expect(named({ address: 'wss://example.org/v3.1/chat' })).toBe('wss://example.org/v3.1/chat generalv3');
  expect(() => named({ domain: 'other' })).toThrow('--spark-url');
  expect(() => named({ address: 'https://example.org/v3.1/chat' })).toThrow('give a WebSocket address');
});
