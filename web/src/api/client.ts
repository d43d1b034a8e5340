/** The server as the page uses it: OpenAI's routes and `/props`, by fetch, with the key that the user gave. */
import { ServerError, serverError } from './errors.js';
import { asBoolean, asList, asNumber, asText, field, parseJson } from './json.js';
import { readSampling, type Sampling } from './sampling.js';
import { readServerEvents } from './sse.js';

export interface ModelInfo {
  readonly id: string;
  /** The model that it is an adapter of. */
  readonly parent: string | undefined;
  readonly maxModelLength: number | undefined;
}

export interface ServerProperties {
  /** Sampling where a request says nothing. */
  readonly defaults: Sampling;
  /** Why the model cannot chat (it has no template); undefined where it can. */
  readonly chatFault: string | undefined;
}

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly sampling: Sampling;
  /** The last message is an answer to go on with. */
  readonly isContinuation: boolean;
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

/** What one event of a stream brought. */
export interface ChatUpdate {
  readonly text?: string | undefined;
  /** What the model thinks, where the server sends it apart from the text. */
  readonly reasoning?: string | undefined;
  readonly finishReason?: string | undefined;
  readonly usage?: Usage | undefined;
  /** By the server's clock. */
  readonly tokensPerSecond?: number | undefined;
}

export class ApiClient {
  readonly #base: URL;
  readonly #key: () => string;

  /** @param base where the page stands; @param key the API key, '' for none */
  constructor(base: string, key: () => string) {
    this.#base = new URL('.', base);
    this.#key = key;
  }

  /** @throws ServerError where it loads, drains or does not answer */
  async health(): Promise<void> {
    try {
      await this.#get('health');
    } catch (error) {
      // A server without this route is judged by the others.
      if (!(error instanceof ServerError) || error.failure.kind !== 'not-found') throw error;
    }
  }

  /** @throws ServerError */
  async models(signal?: AbortSignal): Promise<readonly ModelInfo[]> {
    const body = await this.#get('v1/models', signal);
    return asList(field(body, 'data')).flatMap((entry) => {
      const id = asText(field(entry, 'id'));
      if (id === undefined) return [];
      const parent = asText(field(entry, 'parent'));
      return [{ id, parent, maxModelLength: asNumber(field(entry, 'max_model_len')) }];
    });
  }

  /** As llama.cpp's /props, and ours, has it. @throws ServerError */
  async properties(signal?: AbortSignal): Promise<ServerProperties> {
    const body = await this.#get('props', signal);
    const settings = field(body, 'default_generation_settings');
    return {
      defaults: { ...readSampling(settings), ...readSampling(field(settings, 'params')) },
      chatFault:
        asBoolean(field(body, 'can_chat')) === false ? (asText(field(body, 'chat_fault')) ?? '') : undefined,
    };
  }

  /**
   * Leaving the loop or aborting the signal closes the connection, by which the server stops its work.
   * @throws ServerError, also for a stream that breaks off
   */
  async *chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatUpdate> {
    const response = await this.#fetch('v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...request.sampling,
        model: request.model,
        messages: request.messages,
        stream: true,
        stream_options: { include_usage: true, continuous_usage_stats: true },
        ...(request.isContinuation && { continue_final_message: true, add_generation_prompt: false }),
      }),
      signal,
    });
    if (response.body === null) throw new ServerError({ kind: 'connection-lost', detail: '' });
    try {
      for await (const data of readServerEvents(response.body)) {
        if (data === '[DONE]') return;
        yield readUpdate(data);
      }
    } catch (error) {
      if (signal.aborted || error instanceof ServerError) throw error; // Else the browser's own, which says nothing more.
      throw new ServerError({ kind: 'connection-lost', detail: '' });
    }
    throw new ServerError({ kind: 'connection-lost', detail: '' });
  }

  /** undefined: the server does not tell. @throws ServerError */
  async countTokens(model: string, prompt: string, signal: AbortSignal): Promise<number | undefined> {
    const response = await this.#fetch('tokenize', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model, prompt, add_special_tokens: false }),
      signal,
    });
    const body = parseJson(await response.text());
    // llama.cpp sends the ids alone.
    return asNumber(field(body, 'count')) ?? (asList(field(body, 'tokens')).length || undefined);
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#fetch(path, signal === undefined ? {} : { signal });
    return parseJson(await response.text());
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const key = this.#key();
    const headers = new Headers(init.headers);
    if (key !== '') headers.set('authorization', `Bearer ${key}`);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#base), { ...init, headers, cache: 'no-store' });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new ServerError({ kind: 'unreachable', detail: '' });
    }
    if (response.ok) return response;
    const body = parseJson(await response.text().catch(() => ''));
    throw serverError(response.status, body, response.headers.get('retry-after'));
  }
}

/** @throws ServerError for an error event */
export function readUpdate(data: string): ChatUpdate {
  const event = parseJson(data);
  const error = field(event, 'error');
  if (error !== undefined && error !== null) {
    const status = asNumber(field(error, 'code')) ?? 500;
    throw serverError(status, event, null);
  }
  const choice = asList(field(event, 'choices'))[0];
  const promptTokens = asNumber(field(event, 'usage', 'prompt_tokens'));
  return {
    text: asText(field(choice, 'delta', 'content')),
    // DeepSeek's name and vLLM's newer one.
    reasoning:
      asText(field(choice, 'delta', 'reasoning_content')) ?? asText(field(choice, 'delta', 'reasoning')),
    finishReason: asText(field(choice, 'finish_reason')),
    usage:
      promptTokens === undefined
        ? undefined
        : {
            promptTokens,
            completionTokens: asNumber(field(event, 'usage', 'completion_tokens')) ?? 0,
            cachedTokens: asNumber(field(event, 'usage', 'prompt_tokens_details', 'cached_tokens')) ?? 0,
          },
    tokensPerSecond: asNumber(field(event, 'timings', 'predicted_per_second')),
  };
}
