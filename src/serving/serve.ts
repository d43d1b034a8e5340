/** A model behind HTTP: the engine's process, the routes, and the end of both. */
import { InputError } from '../errors/index.js';
import { ChatTemplate } from '../templates/index.js';
import { EngineProcess, type QueueLimits, type TextEngineSetup } from './engine-process/index.js';
import type { AdapterInfo } from './engine-service.js';
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
import { openAiRoutes } from './openai/index.js';
import { pageFolder } from './page-folder.js';
import { type LoadServedModelOptions, loadServedModel, type ServedModel } from './served-model.js';
import { telechatRoutes } from './telechat/index.js';

export interface ServeOptions {
  /** Of Xinghe. */
  readonly version: string;
  readonly model: LoadServedModelOptions;
  readonly engine: Omit<TextEngineSetup, 'stopIds'>;
  readonly adapters?: readonly AdapterInfo[] | undefined;
  readonly queue: QueueLimits;
  /** Seconds of silence after which the engine counts as stalled. Default 60. */
  readonly stallSeconds?: number | undefined;
  readonly http?: Omit<HttpServerOptions, 'observer'> | undefined;
  /** A Jinja template in place of the family's own chat format. `fromModel`: the one in the model folder. */
  readonly chatTemplate?: { readonly text: string } | 'fromModel' | undefined;
  /** Requests may bring templates of their own. Default false. */
  readonly allowChatTemplate?: boolean | undefined;
  /** /metrics answers without a key. Default false. */
  readonly openMetrics?: boolean | undefined;
}

export class ModelServer {
  readonly model: ServedModel;
  readonly engine: EngineProcess;
  readonly http: HttpService;

  private constructor(model: ServedModel, engine: EngineProcess, http: HttpService) {
    this.model = model;
    this.engine = engine;
    this.http = http;
  }

  /**
   * Listens at once, while the model is still being loaded: `engine.ready` tells the end of that.
   * @throws InputError for a faulty model folder, an address that cannot be listened on
   */
  static async start(options: ServeOptions): Promise<ModelServer> {
    const model = loadServedModel(options.model);
    if (options.adapters?.some(({ name }) => name === model.id))
      throw new InputError(
        `The adapter "${model.id}" is named as the model is; give it another name, or the model one by --served-model-name.`,
      );
    const engine = new EngineProcess({
      module: new URL('./engine-process/text-engine-module.js', import.meta.url),
      setup: { ...options.engine, stopIds: model.stopTokenIds } satisfies TextEngineSetup,
      adapters: options.adapters,
      queue: options.queue,
      stallSeconds: options.stallSeconds,
      assumedLength: model.maxModelLength,
    });
    try {
      const metrics = new ServingMetrics({
        modelName: model.id,
        maxModelLength: model.maxModelLength,
        engine,
        cacheConfig: { cache_dtype: options.engine.kvDType ?? 'auto' },
      });
      const routes = withOpenApi(
        [...apiRoutes(model, engine, metrics, options), ...staticRoutes(pageFolder())],
        {
          version: options.version,
          hasKeys: options.http?.keys?.isRequired ?? false,
        },
      );
      const http = createHttpServer(routes, { ...options.http, observer: metrics });
      await http.listen();
      return new ModelServer(model, engine, http);
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Waits for requests under way, `milliseconds` at most, then ends everything. */
  async close(milliseconds: number): Promise<void> {
    await this.http.drain(milliseconds);
    await this.engine.close();
  }
}

function apiRoutes(
  model: ServedModel,
  engine: EngineProcess,
  metrics: ServingMetrics,
  options: ServeOptions,
): Route[] {
  const observed = new ObservedEngine(engine, metrics.observe);
  return [
    ...healthRoutes({ engine, version: options.version }),
    metricsRoute(metrics, options.openMetrics === true ? 'open' : 'key'),
    ...telechatRoutes({ model, engine: observed }),
    ...openAiRoutes({
      model,
      engine: observed,
      chatTemplate: chatTemplate(model, options),
      allowChatTemplate: options.allowChatTemplate,
      maxSequences: options.engine.maxSequences,
      observeChoices: (count) => metrics.requested(count),
    }),
  ];
}

/** @throws InputError naming the line of a fault */
function readableTemplate(text: string): string {
  try {
    new ChatTemplate(text);
  } catch (error) {
    throw error instanceof InputError ? new InputError(`The chat template: ${error.message}.`) : error;
  }
  return text;
}

/** @throws InputError if the model has no template, or one with faults */
function chatTemplate(
  model: ServedModel,
  { chatTemplate: wish, model: { path } }: ServeOptions,
): string | undefined {
  if (wish === undefined) return undefined;
  if (wish !== 'fromModel') return readableTemplate(wish.text);
  if (model.chatTemplate !== undefined) return readableTemplate(model.chatTemplate);
  throw new InputError(
    `${path}: no chat template there (chat_template.jinja, or chat_template in tokenizer_config.json); the format of ` +
      'its family is used where none is asked for.',
  );
}
