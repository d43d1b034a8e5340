/** A model ready to answer: the engine's process, the tokenizer's service, the metrics, and the routes over them; no socket. */
import { InputError } from '../errors/index.js';
import type { Pooling } from '../generation/index.js';
import { anthropicRoutes } from './anthropic/index.js';
import { EngineProcess, type QueueLimits, type TextEngineSetup } from './engine-process/index.js';
import type { AdapterInfo, EngineService } from './engine-service.js';
import { healthRoutes, type Route, staticRoutes, withOpenApi } from './http/index.js';
import { metricsRoute, ObservedEngine, ServingMetrics } from './metrics/index.js';
import { ollamaRoutes } from './ollama/index.js';
import { createOpenAiContext, type OpenAiContext, openAiRoutesOf } from './openai/index.js';
import { pageFolder } from './page-folder.js';
import { ReplaceableAdapters } from './replaceable-adapters.js';
import { responsesRoutes } from './responses/index.js';
import { type LoadServedModelOptions, loadServedModel, type ServedModel } from './served-model.js';
import { telechatRoutes } from './telechat/index.js';
import { TokenizerService } from './texts/index.js';

export interface ModelServiceOptions {
  /** Of Xinghe. */
  readonly version: string;
  readonly model: Omit<LoadServedModelOptions, 'maxModelLength'>;
  readonly engine: Omit<TextEngineSetup, 'model' | 'stopIds'>;
  readonly adapters?: readonly AdapterInfo[] | undefined;
  readonly queue: QueueLimits;
  /** Seconds of silence after which the engine counts as stalled. Default 60. */
  readonly stallSeconds?: number | undefined;
  /** Requests may bring templates of their own. Default false. */
  readonly allowChatTemplate?: boolean | undefined;
  /** Every caller may give a priority. Default false: those with an admin key. */
  readonly allowPriority?: boolean | undefined;
  /** Keys share cached prefixes. Default false. */
  readonly sharePrefixes?: boolean | undefined;
  /** Which hidden states stand for a text in /v1/embeddings. Default last. */
  readonly pooling?: Pooling | undefined;
  /** Callers must have a key; said in /openapi.json. Default false. */
  readonly hasKeys?: boolean | undefined;
  /** /metrics answers without a key. Default false. */
  readonly openMetrics?: boolean | undefined;
}

export class ModelService {
  readonly model: ServedModel;
  readonly engine: EngineProcess;
  readonly metrics: ServingMetrics;
  /** What the routes answer with; for callers in this process. */
  readonly context: OpenAiContext;
  readonly routes: readonly Route[];

  /**
   * Starts the engine's process at once: `engine.ready` tells the end of loading.
   * @throws InputError for a faulty model folder
   */
  constructor(options: ModelServiceOptions) {
    const { settings } = options.engine;
    this.model = loadServedModel({ ...options.model, maxModelLength: settings.maxLength });
    const { model } = this;
    if (options.adapters?.some(({ name }) => name === model.id))
      throw new InputError(
        `The adapter "${model.id}" is named as the model is; give it another name, or the model one by --served-model-name.`,
      );
    this.engine = new EngineProcess({
      module: new URL('./engine-process/text-engine-module.js', import.meta.url),
      setup: engineSetup(options, model),
      adapters: options.adapters,
      queue: options.queue,
      stallSeconds: options.stallSeconds,
      assumedLength: model.maxModelLength,
    });
    const engine = new ReplaceableAdapters(this.engine);
    this.metrics = new ServingMetrics({
      modelName: model.id,
      maxModelLength: model.maxModelLength,
      engine,
      cacheConfig: { cache_dtype: settings.kvDType ?? 'auto' },
    });
    const observed = new ObservedEngine(engine, this.metrics.observe);
    this.context = createOpenAiContext({
      model,
      engine: observed,
      texts: new TokenizerService(model, { ...options.model, id: model.id }),
      allowChatTemplate: options.allowChatTemplate,
      allowPriority: options.allowPriority,
      sharePrefixes: options.sharePrefixes,
      pooling: options.pooling,
      maxSequences: settings.maxSequences,
      observeChoices: (count) => this.metrics.requested(count),
    });
    this.routes = withOpenApi(
      [...this.#apiRoutes(engine, observed, options), ...staticRoutes(pageFolder())],
      { version: options.version, hasKeys: options.hasKeys ?? false },
    );
  }

  /** Ends the engine; what is under way ends with EngineUnavailableError. */
  async close(): Promise<void> {
    await this.context.texts.close();
    await this.engine.close();
  }

  #apiRoutes(engine: EngineService, observed: EngineService, options: ModelServiceOptions): Route[] {
    const { context, model, metrics } = this;
    const { texts } = context;
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
}

export function engineSetup(
  { engine, model }: Pick<ModelServiceOptions, 'engine' | 'model'>,
  { stopTokenIds }: Pick<ServedModel, 'stopTokenIds'>,
): TextEngineSetup {
  return { ...engine, model, stopIds: stopTokenIds };
}
