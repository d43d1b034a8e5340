/** A model for programs: it runs in a process of its own, so that the caller's event loop stays free. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { productVersion } from '../config/index.js';
import { InputError } from '../errors/index.js';
import {
  ApiKeys,
  ChatRun,
  CompletionRun,
  createRequestHandler,
  HttpError,
  ModelService,
  type RequestHandler,
  type RunCaller,
} from '../serving/index.js';
import type { FloatDType } from '../tensor/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { type Answer, AnswerStream } from './answer.js';
import type { Message } from './chat-message.js';
import {
  type ChatOptions,
  chatBody,
  type GenerateOptions,
  generateBody,
  optionOfField,
} from './generate-options.js';

/** How a model is loaded. */
export interface LoadOptions {
  /** Its name in the API of `requestHandler`. Default: that of the folder. */
  readonly id?: string | undefined;
  /** A config that does not lie beside the weights. */
  readonly config?: string | undefined;
  /** Tokenizer file or folder. Default: the one in the model folder. */
  readonly tokenizer?: string | undefined;
  /** LoRA adapters (PEFT folders or files) by the names that `GenerateOptions.adapter` takes. */
  readonly adapters?: Readonly<Record<string, string>> | undefined;
  /** Compute in this dtype. Default: that of the weights. */
  readonly dtype?: FloatDType | undefined;
  /** `cpu`, `cuda`, `cuda:1`, … Default cpu. */
  readonly device?: string | undefined;
  /** CPU threads of the engine. Default: all cores. */
  readonly threads?: number | undefined;
  /**
   * With int8 or int4 weights: `int8` rounds their inputs to 8 bits and multiplies integers, `none` is exact, `auto` is int8 where
   * weights have 4 bits, on the CPU and not in float64. Default auto.
   */
  readonly integerActivations?: 'auto' | 'int8' | 'none' | undefined;
  /** Tokens of prompt and answer together at most. Default: as the model allows. */
  readonly maxLength?: number | undefined;
  /** Texts that run together; further ones wait. Default 64. */
  readonly maxSequences?: number | undefined;
  /** Tokens that the KV cache holds. Default: by the free memory. */
  readonly cacheTokens?: number | undefined;
  /** `int8` holds twice as many in the same memory. Default: the dtype of the model. */
  readonly kvDtype?: 'int8' | undefined;
  /** A Jinja chat template: a file, or a name (docs/cli.md). Default: the family's own format, else the folder's template. */
  readonly chatTemplate?: string | undefined;
}

/** What of the API a caller's own HTTP server shows. */
export interface RequestHandlerOptions {
  /** Keys that callers must have. Default: none, and only pages and programs of this machine are answered. */
  readonly apiKeys?: readonly string[] | undefined;
  /** Origins whose pages may call from a browser (CORS), e.g. `https://chat.example.org`. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Further names of the server, where it has no keys. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Takes one line of JSON for each request. Default: nothing does. */
  readonly accessLog?: ((line: string) => void) | undefined;
}

/** As the command line. */
const DEFAULT_MAX_NEW_TOKENS = 256;
/** A caller of this process waits for its turn, however many it has asked for. */
const UNBOUNDED_QUEUE = { maxRequests: Number.MAX_SAFE_INTEGER, maxTokens: Number.MAX_SAFE_INTEGER };

/**
 * Loads a model folder, a weight file or a GGUF, and its tokenizer; ready when it returns. Close it, or declare it by
 * `await using`: its process keeps yours alive.
 * @param path as `xinghe generate --model` takes it
 * @throws InputError for what is missing or faulty, and where the native part is not built (it says what to run)
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Model> {
  const service = new ModelService({
    version: productVersion(),
    model: {
      path,
      id: options.id,
      configPath: options.config,
      tokenizerPath: options.tokenizer,
      chat: { template: options.chatTemplate },
    },
    engine: {
      dtype: options.dtype,
      device: options.device,
      threads: options.threads,
      integerActivations: options.integerActivations,
      settings: {
        maxLength: options.maxLength,
        maxSequences: options.maxSequences,
        cacheTokens: options.cacheTokens,
        kvDType: options.kvDtype,
      },
    },
    adapters: Object.entries(options.adapters ?? {}).map(([name, folder]) => ({ name, path: folder })),
    queue: UNBOUNDED_QUEUE,
  });
  try {
    await service.engine.ready;
  } catch (error) {
    await service.close();
    throw error;
  }
  return new Model(service);
}

/** A loaded model. Requests may be made at the same time; they run together. */
export class Model implements AsyncDisposable {
  readonly #service: ModelService;
  readonly #handlers: RequestHandler[] = [];

  /** @internal */
  constructor(service: ModelService) {
    this.#service = service;
  }

  /** Its name in the API. */
  get id(): string {
    return this.#service.model.id;
  }

  /** Text to ids and back. */
  get tokenizer(): Tokenizer {
    return this.#service.model.tokenizer;
  }

  /** Tokens of prompt and answer together at most, as memory and model allow. */
  get maxLength(): number {
    return this.#service.engine.maxModelLength;
  }

  /**
   * Continues a text.
   * @throws InputError for options out of range, a prompt that is too long; the signal's reason
   */
  async generate(prompt: string, options: GenerateOptions = {}): Promise<Answer> {
    return await this.#continue(prompt, options, options.signal ?? new AbortController().signal);
  }

  /** As `generate`, in pieces. */
  stream(prompt: string, options: GenerateOptions = {}): AnswerStream {
    return new AnswerStream(
      (signal, onText) => this.#continue(prompt, options, signal, onText),
      options.signal,
    );
  }

  /**
   * Answers a conversation in the model's chat format. Where `Answer.toolCalls` is not empty, run the tools, append
   * `Answer.message` and a message of the role `tool` for each call, and ask again.
   * @throws InputError for a conversation that the format cannot render, options out of range; the signal's reason
   */
  async chat(messages: readonly Message[], options: ChatOptions = {}): Promise<Answer> {
    return await this.#answer(messages, options, options.signal ?? new AbortController().signal);
  }

  /** As `chat`, in pieces: those of the text; thoughts and calls come with `AnswerStream.answer`. */
  streamChat(messages: readonly Message[], options: ChatOptions = {}): AnswerStream {
    return new AnswerStream(
      (signal, onText) => this.#answer(messages, options, signal, onText),
      options.signal,
    );
  }

  /**
   * The API of `xinghe serve` (OpenAI's, Anthropic's, Ollama's, health, metrics, the chat page) for a server of yours:
   * `http.createServer(model.requestHandler())`, or `app.use('/llm', …)` in Express.
   * @throws InputError for origins that are none
   */
  requestHandler({
    apiKeys = [],
    accessLog,
    ...options
  }: RequestHandlerOptions = {}): (request: IncomingMessage, response: ServerResponse) => void {
    const handler = createRequestHandler(this.#service.routes, {
      ...options,
      keys: new ApiKeys({ keys: apiKeys, adminKeys: [] }),
      accessLog: accessLog ?? null,
      observer: this.#service.metrics,
    });
    this.#handlers.push(handler);
    return (request, response) => handler.handle(request, response);
  }

  /** Ends the engine and frees everything; what is under way ends with an error. */
  async close(): Promise<void> {
    for (const handler of this.#handlers) {
      handler.refuseNew();
      handler.abortAll();
    }
    await this.#service.close();
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #continue(
    prompt: string,
    options: GenerateOptions,
    signal: AbortSignal,
    onText?: (piece: string) => void,
  ): Promise<Answer> {
    const { context, model } = this.#service;
    return await withInputErrors(async () => {
      const body = { ...generateBody(options, model.defaults), prompt };
      const run = await CompletionRun.plan(body, 'generate', context, caller(signal), DEFAULT_MAX_NEW_TOKENS);
      await run.run(signal, onText);
      const { text, finishReason } = run;
      return {
        text,
        reasoning: undefined,
        toolCalls: [],
        finishReason,
        usage: usageOf(run),
        message: { role: 'assistant', content: text },
      };
    });
  }

  async #answer(
    messages: readonly Message[],
    options: ChatOptions,
    signal: AbortSignal,
    onText?: (piece: string) => void,
  ): Promise<Answer> {
    const { context, model } = this.#service;
    return await withInputErrors(async () => {
      const body = chatBody(messages, options, model.defaults);
      const run = await ChatRun.plan(body, 'chat', context, caller(signal), DEFAULT_MAX_NEW_TOKENS);
      await run.run(signal, ({ content }) => {
        if (content !== undefined && content !== '') onText?.(content);
      });
      const { content, reasoning_content: reasoning, tool_calls: calls = [] } = run.message;
      const text = content ?? '';
      const toolCalls = calls.map(({ id, function: { name, arguments: written } }) => ({
        id,
        name,
        arguments: written,
      }));
      return {
        text,
        reasoning,
        toolCalls,
        finishReason: run.finishReason,
        usage: usageOf(run),
        message: {
          role: 'assistant',
          content: text,
          ...(reasoning !== undefined && { reasoning }),
          ...(toolCalls.length > 0 && { toolCalls }),
        },
      };
    });
  }
}

/** The program itself asks: there is nobody to be kept apart from. */
function caller(signal: AbortSignal): RunCaller {
  return { client: '', keyName: undefined, isAdmin: true, signal, note: () => undefined };
}

function usageOf({ usage }: Pick<ChatRun, 'usage'>): Answer['usage'] {
  return {
    promptTokens: usage.prompt_tokens,
    cachedTokens: usage.prompt_tokens_details.cached_tokens,
    generatedTokens: usage.completion_tokens,
  };
}

/** What a client of HTTP is told with a status from 400 to 499 is an InputError to a caller. */
async function withInputErrors(body: () => Promise<Answer>): Promise<Answer> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof HttpError && error.status >= 400 && error.status < 500)
      throw new InputError(optionOfField(error.message));
    throw error;
  }
}
