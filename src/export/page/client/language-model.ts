/** The graph as a language model: a prompt in, tokens out one by one, keys and values kept between them. */
import type { PageModel } from '../page-model.js';
import { drawToken } from './draw-token.js';
import type { FileSource } from './file-source.js';
import type { Runtime, RuntimeTensor, Session } from './runtime.js';

export interface GenerateOptions {
  readonly maxNewTokens: number;
  /** 0: the likeliest token always. */
  readonly temperature: number;
  readonly stopTokenIds: ReadonlySet<number>;
  readonly signal: AbortSignal;
}

export class LanguageModel {
  readonly #runtime: Runtime;
  readonly #session: Session;
  readonly #model: PageModel;

  private constructor(runtime: Runtime, session: Session, model: PageModel) {
    this.#runtime = runtime;
    this.#session = session;
    this.#model = model;
  }

  static async load(
    runtime: Runtime,
    model: PageModel,
    files: FileSource,
    onBytes: (done: number, total: number) => void,
  ): Promise<LanguageModel> {
    const [graph = '', ...weights] = model.graph;
    const externalData = [];
    for (const path of weights)
      externalData.push({ path: path.split('/').at(-1) ?? path, data: await files.read(path, onBytes) });
    const session = await runtime.InferenceSession.create(await files.read(graph, onBytes), {
      executionProviders: ['wasm'],
      externalData,
    });
    return new LanguageModel(runtime, session, model);
  }

  /** Each token after the prompt, the one that ends the answer left out. */
  async *generate(
    prompt: readonly number[],
    { maxNewTokens, temperature, stopTokenIds, signal }: GenerateOptions,
  ): AsyncGenerator<number, void> {
    const { layers, vocabSize, maskedTokenId, contextLength } = this.#model;
    let past = this.#emptyCache();
    let ids = [...prompt];
    let position = 0;
    try {
      for (let count = 0; count < maxNewTokens && position + ids.length < contextLength; count++) {
        const outputs = await this.#session.run({ ...past, ...this.#inputs(ids, position) });
        position += ids.length;
        const next: Record<string, RuntimeTensor> = {};
        for (let layer = 0; layer < layers; layer++)
          for (const part of ['key', 'value']) {
            const output = outputs[`present.${layer}.${part}`];
            if (output !== undefined) next[`past_key_values.${layer}.${part}`] = output;
          }
        release(past);
        past = next;
        const logits = outputs.logits?.data;
        if (logits === undefined) throw new Error('the graph gave no logits');
        const last = Float64Array.from(
          { length: vocabSize },
          (_, id) => logits[logits.length - vocabSize + id] ?? 0,
        );
        if (maskedTokenId !== undefined) last[maskedTokenId] = Number.NEGATIVE_INFINITY;
        const id = drawToken(last, temperature);
        if (stopTokenIds.has(id)) return;
        yield id;
        if (signal.aborted) return;
        ids = [id];
        // The page shows what has come before the next product keeps it busy.
        await new Promise((resolve) => setTimeout(resolve));
      }
    } finally {
      release(past);
    }
  }

  #inputs(ids: readonly number[], position: number): Record<string, RuntimeTensor> {
    const { Tensor } = this.#runtime;
    const integers = (values: readonly number[]): RuntimeTensor =>
      new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
    return {
      input_ids: integers(ids),
      attention_mask: integers(new Array<number>(position + ids.length).fill(1)),
      position_ids: integers(ids.map((_, index) => position + index)),
    };
  }

  #emptyCache(): Record<string, RuntimeTensor> {
    const { layers, kvHeads, headDim, dtype } = this.#model;
    const empty = (): RuntimeTensor =>
      dtype === 'float16'
        ? new this.#runtime.Tensor('float16', new Uint16Array(), [1, kvHeads, 0, headDim])
        : new this.#runtime.Tensor('float32', new Float32Array(), [1, kvHeads, 0, headDim]);
    return Object.fromEntries(
      Array.from({ length: layers }, (_, layer) =>
        ['key', 'value'].map((part) => [`past_key_values.${layer}.${part}`, empty()] as const),
      ).flat(),
    );
  }
}

function release(tensors: Readonly<Record<string, RuntimeTensor>>): void {
  for (const tensor of Object.values(tensors)) tensor.dispose();
}
