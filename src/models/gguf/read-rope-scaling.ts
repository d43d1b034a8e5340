/** How a foreign GGUF turns positions, as keys of a Hugging Face config. */
import { type GgufModel, type GgufTensor, readTensorBytes, showValue } from '../../formats/index.js';
import type { GgufKeys } from './gguf-keys.js';
import { fitLlama3 } from './rope-divisors.js';

/** llama.cpp's where the file says nothing. */
const DEFAULT_BASE = 10_000;
const DIVISORS = 'rope_freqs.weight';

/**
 * rope_theta, rope_scaling and, where the file holds divisors of the frequencies, those in rope_divisors: they are computed with,
 * and rope_scaling tells others what they mean.
 * @throws InputError for a rotation that is not known, and for two at once
 */
export function readRopeScaling(
  keys: GgufKeys,
  architecture: string,
  tensors: GgufModel['tensors'],
  { headDim }: { readonly headDim: number },
): Record<string, unknown> {
  for (const name of ['rope_factors_long.weight', 'rope_factors_short.weight'])
    if (tensors.has(name))
      keys.fail(`tensor "${name}" belongs to the rotation longrope, which is not read here.`);
  const base = keys.real(`${architecture}.rope.freq_base`) ?? DEFAULT_BASE;
  if (base <= 0) keys.fail(`${architecture}.rope.freq_base is ${base}; it must be above 0.`);
  const scaling = keyedScaling(keys, `${architecture}.rope.scaling`, `${architecture}.rope.scale_linear`);
  const tensor = tensors.get(DIVISORS);
  if (tensor === undefined) return { rope_theta: base, rope_scaling: scaling };
  const divisors = readDivisors(keys, tensor, headDim);
  if (divisors.every((divisor) => divisor === 1)) return { rope_theta: base, rope_scaling: scaling };
  if (scaling !== null)
    keys.fail(
      `both ${architecture}.rope.scaling and the tensor "${DIVISORS}" scale the rotation; one is read.`,
    );
  const fitted = fitLlama3(divisors, base);
  return {
    rope_theta: base,
    rope_scaling: fitted === undefined ? { rope_type: 'divisors' } : { rope_type: 'llama3', ...fitted },
    rope_divisors: divisors,
  };
}

function readDivisors(keys: GgufKeys, tensor: GgufTensor, headDim: number): number[] {
  if ('quantization' in tensor || tensor.dtype !== 'float32' || tensor.shape.join() !== `${headDim / 2}`)
    return keys.fail(
      `tensor "${DIVISORS}" is ${'quantization' in tensor ? tensor.quantization : tensor.dtype} [${tensor.shape.join(', ')}]; it must be ` +
        `float32 [${headDim / 2}], one divisor for each frequency of a head.`,
    );
  const bytes = Buffer.from(readTensorBytes(tensor));
  const divisors = Array.from({ length: headDim / 2 }, (_, index) => bytes.readFloatLE(4 * index));
  const faulty = divisors.findIndex((divisor) => !(divisor > 0 && Number.isFinite(divisor)));
  if (faulty >= 0)
    keys.fail(`tensor "${DIVISORS}" has ${divisors[faulty]} at place ${faulty}; divisors are above 0.`);
  return divisors;
}

/** By the keys `prefix`.type, .factor and others; null where nothing is scaled. */
function keyedScaling(keys: GgufKeys, prefix: string, legacyKey: string): Record<string, unknown> | null {
  // Without a type llama.cpp takes linear; older files have one key alone.
  const type = keys.text(`${prefix}.type`) ?? 'linear';
  const factor = keys.real(`${prefix}.factor`) || keys.real(legacyKey) || 1;
  const original = keys.count(`${prefix}.original_context_length`);
  switch (type) {
    case 'none':
      return null;
    case 'linear':
      return factor === 1 ? null : { rope_type: 'linear', factor };
    case 'yarn':
      return {
        rope_type: 'yarn',
        factor,
        ...(original !== undefined && { original_max_position_embeddings: original }),
        ...yarnNumbers(keys, prefix, factor),
      };
    default:
      return keys.fail(
        `${prefix}.type is ${showValue(type)}; readable are none, linear and yarn${type === 'longrope' ? '; longrope is not' : ''}.`,
      );
  }
}

/** llama.cpp multiplies its attention factor with 0.1 ln(factor) + 1; transformers' stands for both. */
function yarnNumbers(keys: GgufKeys, prefix: string, factor: number): Record<string, number> {
  const numbers: Record<string, number> = {};
  const attention = keys.real(`${prefix}.attn_factor`) ?? keys.real(`${prefix}.yarn_attn_factor`) ?? 1;
  if (attention !== 1) numbers.attention_factor = attention * (0.1 * Math.log(factor) + 1);
  const betaFast = keys.real(`${prefix}.yarn_beta_fast`);
  const betaSlow = keys.real(`${prefix}.yarn_beta_slow`);
  if (betaFast !== undefined) numbers.beta_fast = betaFast;
  if (betaSlow !== undefined) numbers.beta_slow = betaSlow;
  return numbers;
}
