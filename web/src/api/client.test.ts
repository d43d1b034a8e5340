import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiClient, readUpdate } from './client.js';
import { ServerError, serverError } from './errors.js';
import { readSampling } from './sampling.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

const request = { model: 'm', messages: [], sampling: { temperature: 0.5 }, isContinuation: false };

/** The next answer of `fetch`, and what it was asked. */
function answerWith(response: Response | Error): { url: string; init: RequestInit }[] {
  const asked: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    asked.push({ url: String(url), init });
    if (response instanceof Error) throw response;
    return response;
  });
  return asked;
}

describe('ApiClient', () => {
  it('asks beside the page, with the key', async () => {
    const asked = answerWith(
      Response.json({ data: [{ id: 'a', parent: null, max_model_len: 8 }, { id: 3 }] }),
    );
    const models = await new ApiClient('http://h/chat/#/c/1', () => 'secret').models();
    expect(models).toEqual([{ id: 'a', parent: undefined, maxModelLength: 8 }]);
    expect(asked[0]?.url).toBe('http://h/chat/v1/models');
    expect(new Headers(asked[0]?.init.headers).get('authorization')).toBe('Bearer secret');
  });

  it('streams text, figures and the end', async () => {
    const events = [
      { choices: [{ delta: { role: 'assistant', content: '' } }], usage: null },
      { choices: [{ delta: { content: '你' } }], usage: { prompt_tokens: 5, completion_tokens: 1 } },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
      {
        choices: [],
        usage: { prompt_tokens: 5, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 4 } },
        timings: { predicted_per_second: 12.5 },
      },
    ];
    const asked = answerWith(
      new Response(`${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`),
    );
    const updates = await collect(
      new ApiClient('http://h/', () => '').chat(request, new AbortController().signal),
    );
    expect(updates.map(({ text }) => text ?? '').join('')).toBe('你');
    expect(updates[2]?.finishReason).toBe('stop');
    expect(updates[3]).toMatchObject({
      usage: { promptTokens: 5, completionTokens: 2, cachedTokens: 4 },
      tokensPerSecond: 12.5,
    });
    expect(JSON.parse(String(asked[0]?.init.body))).toMatchObject({
      model: 'm',
      stream: true,
      temperature: 0.5,
    });
  });

  it('tells a stream that broke off from one that ended', async () => {
    answerWith(new Response('data: {"choices":[{"delta":{"content":"半"}}]}\n\n'));
    const chat = new ApiClient('http://h/', () => '').chat(request, new AbortController().signal);
    expect((await chat.next()).value).toMatchObject({ text: '半' });
    await expect(chat.next()).rejects.toMatchObject({ failure: { kind: 'connection-lost' } });
  });

  it('says that there is no server', async () => {
    answerWith(new TypeError('fetch failed'));
    await expect(new ApiClient('http://h/', () => '').models()).rejects.toMatchObject({
      failure: { kind: 'unreachable' },
    });
  });

  it.each([
    [401, 'unauthorized', undefined],
    [403, 'forbidden', undefined],
    [404, 'not-found', undefined],
    [422, 'rejected', undefined],
    [429, 'busy', 7],
    [503, 'loading', 7],
    [500, 'server-fault', undefined],
  ] as const)('knows what %i means', (status, kind, retryAfter) => {
    const error = serverError(status, { error: { message: 'why' } }, '7');
    expect(error.failure).toEqual({ kind, detail: 'why' });
    expect(error.retryAfter).toBe(retryAfter);
  });

  it('knows a context that is too long by its code', () => {
    expect(serverError(400, { error: { code: 'context_length_exceeded' } }, null).failure.kind).toBe(
      'too-long',
    );
  });

  it('reads a date in Retry-After, and never waits for hours', () => {
    const inTwoHours = new Date(Date.now() + 7_200_000).toUTCString();
    expect(serverError(503, {}, inTwoHours).retryAfter).toBe(60);
    expect(serverError(503, {}, 'soon').retryAfter).toBe(2);
  });

  it('reads any event without falling', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (data) => {
        try {
          readUpdate(data);
        } catch (error) {
          expect(error).toBeInstanceOf(ServerError);
        }
      }),
    );
    expect(() => readUpdate('{"error":{"message":"gone","code":503}}')).toThrow('gone');
  });
});

describe('readSampling', () => {
  it("takes llama.cpp's names, and leaves out what is out of range", () => {
    const params = { temperature: 0.3, repeat_penalty: 1.1, n_predict: -1, top_p: 2, top_k: '5', seed: 1 };
    expect(readSampling(params)).toEqual({ temperature: 0.3, repetition_penalty: 1.1, seed: 1 });
  });
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
