/** A model behind HTTP: the engine's process, the routes, and the end of both. */
import { EngineProcess, type QueueLimits, type TextEngineSetup } from './engine-process/index.js';
import type { AdapterInfo, EngineService } from './engine-service.js';
import { healthRoutes } from './http/health-routes.js';
import { createHttpServer, type HttpServerOptions, type HttpService, type Route } from './http/index.js';
import { pageFolder, pageRoutes } from './page-routes.js';
import { type LoadServedModelOptions, loadServedModel, type ServedModel } from './served-model.js';

export interface ServeOptions {
  /** Of Xinghe. */
  readonly version: string;
  readonly model: LoadServedModelOptions;
  readonly engine: TextEngineSetup;
  readonly adapters?: readonly AdapterInfo[] | undefined;
  readonly queue: QueueLimits;
  /** Seconds of silence after which the engine counts as stalled. Default 30. */
  readonly stallSeconds?: number | undefined;
  readonly http?: HttpServerOptions | undefined;
}

export class ModelServer {
  readonly model: ServedModel;
  readonly engine: EngineProcess;
  readonly http: HttpService;
  /** Is there a page at `/`? */
  readonly hasPage: boolean;

  private constructor(model: ServedModel, engine: EngineProcess, http: HttpService, hasPage: boolean) {
    this.model = model;
    this.engine = engine;
    this.http = http;
    this.hasPage = hasPage;
  }

  /**
   * Listens at once, while the model is still being loaded: `engine.ready` tells the end of that.
   * @throws InputError for a faulty model folder, an address that cannot be listened on
   */
  static async start(options: ServeOptions): Promise<ModelServer> {
    const model = loadServedModel(options.model);
    const page = pageFolder();
    const engine = new EngineProcess({
      module: new URL('./engine-process/text-engine-module.js', import.meta.url),
      setup: options.engine,
      adapters: options.adapters,
      queue: options.queue,
      stallSeconds: options.stallSeconds,
    });
    try {
      const routes = [...apiRoutes(model, engine, options), ...(page === undefined ? [] : pageRoutes(page))];
      const http = createHttpServer(routes, options.http);
      await http.listen();
      return new ModelServer(model, engine, http, page !== undefined);
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

function apiRoutes(_model: ServedModel, engine: EngineService, { version }: ServeOptions): Route[] {
  return [...healthRoutes({ engine, version })];
}
