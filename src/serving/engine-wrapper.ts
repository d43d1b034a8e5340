/** An engine around another one: what a wrapper does not change goes to the inner engine. */
import type { EngineStats, TextEvent, TextRequest } from '../generation/index.js';
import type { AdapterInfo, EngineService, EngineState } from './engine-service.js';

export abstract class EngineWrapper implements EngineService {
  protected readonly inner: EngineService;

  constructor(inner: EngineService) {
    this.inner = inner;
  }

  get state(): EngineState {
    return this.inner.state;
  }

  get isResponsive(): boolean {
    return this.inner.isResponsive;
  }

  get stats(): EngineStats {
    return this.inner.stats;
  }

  get maxModelLength(): number {
    return this.inner.maxModelLength;
  }

  get adapters(): readonly AdapterInfo[] {
    return this.inner.adapters;
  }

  abstract generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent>;

  loadAdapter(adapter: AdapterInfo): Promise<void> {
    return this.inner.loadAdapter(adapter);
  }

  unloadAdapter(name: string): Promise<void> {
    return this.inner.unloadAdapter(name);
  }

  async replaceAdapter(adapter: AdapterInfo): Promise<void> {
    if (this.inner.replaceAdapter === undefined) throw new Error('this engine cannot replace adapters');
    await this.inner.replaceAdapter(adapter);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
