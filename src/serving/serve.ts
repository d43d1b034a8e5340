/** A model behind HTTP: starts the engine's process and the routes, and closes both. */
import { type EngineProcess, FollowerProcess } from './engine-process/index.js';
import { createHttpServer, type HttpServerOptions, type HttpService } from './http/index.js';
import { engineSetup, ModelService, type ModelServiceOptions } from './model-service.js';
import type { ServedModel } from './served-model.js';

export interface ServeOptions extends Omit<ModelServiceOptions, 'hasKeys'> {
  readonly http?: Omit<HttpServerOptions, 'observer'> | undefined;
}

export class ModelServer {
  readonly model: ServedModel;
  readonly engine: EngineProcess;
  readonly http: HttpService;
  readonly #service: ModelService;

  private constructor(service: ModelService, http: HttpService) {
    this.model = service.model;
    this.engine = service.engine;
    this.http = http;
    this.#service = service;
  }

  /**
   * Listens at once, while the model is still being loaded: `engine.ready` tells the end of that.
   * @throws InputError for a faulty model folder, an address that cannot be listened on
   */
  static async start(options: ServeOptions): Promise<ModelServer> {
    const service = new ModelService({ ...options, hasKeys: options.http?.keys?.isRequired ?? false });
    try {
      const http = createHttpServer(service.routes, { ...options.http, observer: service.metrics });
      await http.listen();
      return new ModelServer(service, http);
    } catch (error) {
      await service.close();
      throw error;
    }
  }

  /** Waits for requests under way, `milliseconds` at most, then ends everything. */
  async close(milliseconds: number): Promise<void> {
    await this.http.drain(milliseconds);
    await this.#service.close();
  }
}

/** Of a rank behind the first, which has part of the model, and no requests. */
export function followServer(options: ServeOptions): FollowerProcess {
  return new FollowerProcess(engineSetup(options, { stopTokenIds: [] }));
}
