/** A model behind HTTP: starts the engine's process and the routes, and closes both. */
import { InputError } from '../errors/index.js';
import type { Pooling } from '../generation/index.js';
import { anthropicRoutes } from './anthropic/index.js';
import {
  EngineProcess,
  FollowerProcess,
  type QueueLimits,
  type TextEngineSetup,
} from './engine-process/index.js';
import type { AdapterInfo, EngineService } from './engine-service.js';
import {
  createHttpServer,
  type HttpServerOptions,
  type HttpService,
  healthRoutes,
  type Route,
  staticRoutes,
  withOpenApi,
} from './http/index.js';
import { metricsRoute, ObservedEngine, ServingMetrics } from './metrics/index.js';
import { ollamaRoutes } from './ollama/index.js';
import { createOpenAiContext, openAiRoutesOf } from './openai/index.js';
import { pageFolder } from './page-folder.js';
import { ReplaceableAdapters } from './replaceable-adapters.js';
import { responsesRoutes } from './responses/index.js';
import { type LoadServedModelOptions, loadServedModel, type ServedModel } from './served-model.js';
import { telechatRoutes } from './telechat/index.js';
import { TokenizerService } from './texts/index.js';

export interface ServeOptions {
  /** Of Xinghe. */
  readonly version: string;
  readonly model: Omit<LoadServedModelOptions, 'maxModelLength'>;
  readonly engine: Omit<TextEngineSetup, 'model' | 'stopIds'>;
  readonly adapters?: readonly AdapterInfo[] | undefined;
  readonly queue: QueueLimits;
  /** Seconds of silence after which the engine counts as stalled. Default 60. */
  readonly stallSeconds?: number | undefined;
  readonly http?: Omit<HttpServerOptions, 'observer'> | undefined;
  /** Requests may bring templates of their own. Default false. */
  readonly allowChatTemplate?: boolean | undefined;
  /** Every caller may give a priority. Default false: those with an admin key. */
  readonly allowPriority?: boolean | undefined;
  /** Keys share cached prefixes. Default false. */
  readonly sharePrefixes?: boolean | undefined;
  /** Which hidden states stand for a text in /v1/embeddings. Default last. */
  readonly pooling?: Pooling | undefined;
  /** /metrics answers without a key. Default false. */
  readonly openMetrics?: boolean | undefined;
}

export class ModelServer {
  readonly model: ServedModel;
  readonly engine: EngineProcess;
  readonly http: HttpService;
  readonly #texts: TokenizerService;

  private constructor(model: ServedModel, engine: EngineProcess, http: HttpService, texts: TokenizerService) {
    this.model = model;
    this.engine = engine;
    this.http = http;
    this.#texts = texts;
  }

  /**
   * Listens at once, while the model is still being loaded: `engine.ready` tells the end of that.
   * @throws InputError for a faulty model folder, an address that cannot be listened on
   */
  static async start(options: ServeOptions): Promise<ModelServer> {
    const { settings } = options.engine;
    const model = loadServedModel({ ...options.model, maxModelLength: settings.maxLength });
    if (options.adapters?.some(({ name }) => name === model.id))
      throw new InputError(
        `The adapter "${model.id}" is named as the model is; give it another name, or the model one by --served-model-name.`,
      );
    const engine = new EngineProcess({
      module: new URL('./engine-process/text-engine-module.js', import.meta.url),
      setup: engineSetup(options, model),
      adapters: options.adapters,
      queue: options.queue,
      stallSeconds: options.stallSeconds,
      assumedLength: model.maxModelLength,
    });
    try {
      const replaceable = new ReplaceableAdapters(engine);
      const metrics = new ServingMetrics({
        modelName: model.id,
        maxModelLength: model.maxModelLength,
        engine: replaceable,
        cacheConfig: { cache_dtype: settings.kvDType ?? 'auto' },
      });
      const texts = new TokenizerService(model, { ...options.model, id: model.id });
      const routes = withOpenApi(
        [
          ...apiRoutes({ model, engine: replaceable, texts }, metrics, options),
          ...staticRoutes(pageFolder()),
        ],
        {
          version: options.version,
          hasKeys: options.http?.keys?.isRequired ?? false,
        },
      );
      const http = createHttpServer(routes, { ...options.http, observer: metrics });
      await http.listen();
      return new ModelServer(model, engine, http, texts);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Waits for requests under way, `milliseconds` at most, then ends everything. */
  async close(milliseconds: number): Promise<void> {
    await this.http.drain(milliseconds);
    await this.#texts.close();
    await this.engine.close();
  }
}

function engineSetup(
  { engine, model }: ServeOptions,
  { stopTokenIds }: Pick<ServedModel, 'stopTokenIds'>,
): TextEngineSetup {
  return { ...engine, model, stopIds: stopTokenIds };
}

/** Of a rank behind the first, which has part of the model, and no requests. */
export function followServer(options: ServeOptions): FollowerProcess {
  return new FollowerProcess(engineSetup(options, { stopTokenIds: [] }));
}

interface ServedParts {
  readonly model: ServedModel;
  readonly engine: EngineService;
  readonly texts: TokenizerService;
}

function apiRoutes(
  { model, engine, texts }: ServedParts,
  metrics: ServingMetrics,
  options: ServeOptions,
): Route[] {
  const observed = new ObservedEngine(engine, metrics.observe);
  const context = createOpenAiContext({
    model,
    engine: observed,
    texts,
    allowChatTemplate: options.allowChatTemplate,
    allowPriority: options.allowPriority,
    sharePrefixes: options.sharePrefixes,
    pooling: options.pooling,
    maxSequences: options.engine.settings.maxSequences,
    observeChoices: (count) => metrics.requested(count),
  });
  return [
    ...healthRoutes({ engine, version: options.version }),
    metricsRoute(metrics, options.openMetrics === true ? 'open' : 'key'),
    ...telechatRoutes({ model, engine: observed, texts, sharePrefixes: options.sharePrefixes }),
    ...openAiRoutesOf(context),
    ...responsesRoutes(context),
    ...anthropicRoutes(context),
    ...ollamaRoutes(context),
  ];
}
