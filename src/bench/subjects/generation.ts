/** Prompt and decode speed of the engine, without HTTP; what a cached prefix saves. */
import { Engine, type EngineOptions } from '../../generation/index.js';
import type { CausalLm } from '../../models/index.js';
import { loadModel } from '../../models/index.js';
import { namedLinears } from '../../nn/index.js';
import { IntegerLinear } from '../../quantization/index.js';
import { byteWidth, prepareRuntime } from '../../tensor/index.js';
import { type GenerationSettings, inventedPrompt } from './generation-settings.js';

export interface GenerationValues {
  readonly promptTokensPerSecond: number;
  /** 2 operations for each weight that multiplies. */
  readonly promptGflops: number;
  readonly decodeTokensPerSecond: number;
  /** Bytes of the weights that a step multiplies by, each read once, a second; keys and values are not counted. */
  readonly weightGBPerSecond: number;
  readonly weightBytes: number;
  readonly weights: number;
  /** By the clock, and of all threads. */
  readonly loadSeconds: number;
  readonly loadCpuSeconds: number;
  readonly [key: string]: unknown;
}

/** Tokens of all prompts a second up to the last one's first token; tokens of all sequences a second from there on. */
export function measureGeneration(settings: GenerationSettings): GenerationValues {
  const { sequences, promptTokens, newTokens, repetitions } = settings;
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()];
  const model = openModel(settings);
  const loadSeconds = (performance.now() - started) / 1e3;
  const { user, system } = process.cpuUsage(cpuBefore);
  const { weights, weightBytes } = multipliedWeights(model);
  const engine = createEngine(model, settings);
  const best = { prompt: 0, decode: 0 };
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (let index = 0; index < sequences; index++)
      engine.submit(String(index), {
        promptIds: inventedPrompt(model.shape.vocabSize, repetition * 97 + index, promptTokens),
        maxNewTokens: newTokens + 1,
      });
    const start = performance.now();
    const begun = new Set<string>();
    let allBegun = 0;
    let made = 0;
    while (engine.hasWork) {
      const events = engine.step();
      if (allBegun > 0) made += events.reduce((sum, { ids }) => sum + ids.length, 0);
      for (const { id } of events) begun.add(id);
      if (allBegun === 0 && begun.size === sequences) allBegun = performance.now();
    }
    best.prompt = Math.max(best.prompt, (promptTokens * sequences) / ((allBegun - start) / 1e3));
    best.decode = Math.max(best.decode, made / ((performance.now() - allBegun) / 1e3));
  }
  engine.dispose();
  return {
    promptTokensPerSecond: best.prompt,
    promptGflops: (2 * weights * best.prompt) / 1e9,
    decodeTokensPerSecond: best.decode,
    weightGBPerSecond: (weightBytes * best.decode) / sequences / 1e9,
    weightBytes,
    weights,
    loadSeconds,
    loadCpuSeconds: (user + system) / 1e6,
  };
}

/** Milliseconds to the first token of a prompt, the first time and when all but its last tokens are cached. */
export function measureCachedPrompt(settings: GenerationSettings): { firstMs: number; againMs: number } {
  const { promptTokens, repetitions } = settings;
  const model = openModel(settings);
  const engine = createEngine(model, settings, { cacheTokens: 4 * promptTokens + 64, prefixCache: true });
  const times: { first: number[]; again: number[] } = { first: [], again: [] };
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const ids = inventedPrompt(model.shape.vocabSize, repetition + 7, promptTokens);
    for (const [kind, end] of [
      ['first', 5],
      ['again', 6],
    ] as const) {
      const start = performance.now();
      engine.submit('a', { promptIds: [...ids, end, end + 1], maxNewTokens: 1 });
      while (engine.hasWork) engine.step();
      times[kind].push(performance.now() - start);
    }
  }
  engine.dispose();
  return { firstMs: Math.min(...times.first), againMs: Math.min(...times.again) };
}

export function openModel({
  model: path,
  dtype,
  threads,
  integerActivations = 'auto',
}: GenerationSettings): CausalLm {
  prepareRuntime(threads === undefined ? {} : { threads });
  return loadModel(path, { keepIntegers: true, integerActivations, ...(dtype !== undefined && { dtype }) })
    .model;
}

export function createEngine(
  model: CausalLm,
  { sequences, promptTokens, newTokens, kvDType }: GenerationSettings,
  options: EngineOptions = {},
): Engine {
  return new Engine(model, {
    cacheTokens: (promptTokens + newTokens + 32) * sequences,
    maxSequences: Math.max(64, sequences),
    prefixCache: false,
    maxBatchTokens: 512,
    kvDType,
    ...options,
  });
}

/** A tied head is counted; an embedding that is only looked up is not. */
function multipliedWeights(model: CausalLm): { weights: number; weightBytes: number } {
  const tensors = model
    .namedParameters()
    .filter(([name]) => model.shape.tied || !name.startsWith('embedTokens'))
    .map(([, tensor]) => tensor);
  const integers = [...namedLinears(model)].flatMap(([, layer]) =>
    layer instanceof IntegerLinear ? [layer] : [],
  );
  return {
    weights:
      tensors.reduce((sum, { numElements }) => sum + numElements, 0) +
      integers.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures * outFeatures, 0),
    weightBytes:
      tensors.reduce((sum, { numElements, dtype }) => sum + numElements * byteWidth(dtype), 0) +
      integers.reduce((sum, layer) => sum + layer.weightBytes, 0),
  };
}
