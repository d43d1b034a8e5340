/** A model of which a segment at a time is in memory: the embedding, a block or the head, as its files hold it. */
import { type LoadWeightsOptions, WeightSource } from '../../checkpoint/index.js';
import { empty, intTensor, noGrad, scope, Tensor } from '../../tensor/index.js';
import type { Block, CausalLm, ForwardContext, ModelSegment } from '../causal-lm.js';
import { loadModelArchitecture } from '../load-model.js';

export interface StreamedModelOptions extends Pick<LoadWeightsOptions, 'dtype' | 'keepIntegers'> {
  readonly configPath?: string | undefined;
}

export interface Beginning {
  readonly contexts: readonly ForwardContext[];
  readonly hidden: Tensor[];
}

/** A block by its number. */
export type SegmentName = 'embedding' | 'head' | number;

export class StreamedModel {
  /** Its parameters have no memory but those of the segments that are loaded. */
  readonly model: CausalLm;
  readonly #source: WeightSource;
  readonly #segments: ReadonlyMap<string, ModelSegment>;
  readonly #rotations: Tensor[] = [];

  /** @throws InputError as `loadModel` does */
  constructor(from: string, { configPath, ...options }: StreamedModelOptions = {}) {
    const architecture = loadModelArchitecture(from, configPath);
    this.model = architecture.createModel();
    this.#source = new WeightSource(this.model, architecture.tables, from, options);
    this.#segments = new Map(this.model.segments().map((segment) => [segment.name, segment]));
  }

  load(name: SegmentName): void {
    this.#source.load(this.model, this.#segment(name).parameters);
  }

  /** @throws RangeError for a block that the model does not have (a fault of the caller) */
  loadBlock(index: number): Block {
    const block = this.model.layers[index];
    if (block === undefined) throw new RangeError(`the model has no block ${index}`);
    this.load(index);
    return block;
  }

  /** Frees it; it may be loaded again, unless it holds integers. */
  release(name: SegmentName): void {
    if (typeof name === 'number')
      for (const [, module] of this.model.layers[name]?.namedModules() ?? []) module.dispose();
    const present = new Map(this.model.namedParameters());
    for (const path of this.#segment(name).parameters) {
      const parameter = present.get(path);
      if (parameter !== undefined) this.model.assign(path, empty(parameter.shape, { device: 'meta' }));
    }
  }

  /**
   * What the first block reads, and what the blocks share, which compute in float32; window after window.
   * @param windows of token ids @returns hidden: float32 [1, T, D] each, the caller's; contexts: of this model, one for each length
   */
  begin(windows: readonly (readonly number[])[]): Beginning {
    const { model } = this;
    this.load('embedding');
    // The rotation is computed in the dtype of the blocks.
    this.loadBlock(0).to({ dtype: 'float32' });
    const byLength = new Map<number, ForwardContext>();
    const contexts = windows.map(({ length }) => {
      const context = byLength.get(length) ?? this.#context(length);
      byLength.set(length, context);
      return context;
    });
    const hidden = windows.map((window) =>
      noGrad(() => scope(() => model.embed(intTensor([...window], [1, window.length])).to('float32')).keep()),
    );
    this.release(0);
    this.release('embedding');
    return { contexts, hidden };
  }

  #context(length: number): ForwardContext {
    const context = noGrad(() => this.model.createContext(length));
    for (const tensor of Object.values(context.rotary))
      if (tensor instanceof Tensor) this.#rotations.push(tensor.keep());
    return context;
  }

  dispose(): void {
    for (const tensor of this.#rotations) tensor.dispose();
    for (const [, module] of this.model.namedModules()) module.dispose();
  }

  #segment(name: SegmentName): ModelSegment {
    const segment = this.#segments.get(typeof name === 'number' ? `layers.${name}` : name);
    if (segment === undefined) throw new RangeError(`the model has no segment ${name}`);
    return segment;
  }
}
