/** Models to measure with where the user names none: sizes in Llama's layout. */
import { didYouMeanHint } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import type { ModelShape } from '../../models/index.js';

export interface ModelSize {
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly vocab: number;
  /** The embedding is the head, too. Default false. */
  readonly tied?: boolean | undefined;
}

export const MODEL_SIZES = {
  '33m': { layers: 8, hidden: 512, ffn: 1376, heads: 8, kvHeads: 8, vocab: 8000 },
  '130m': { layers: 12, hidden: 768, ffn: 2048, heads: 12, kvHeads: 12, vocab: 32000 },
  '350m': { layers: 24, hidden: 1024, ffn: 2752, heads: 16, kvHeads: 16, vocab: 32000 },
  '1.3b': { layers: 24, hidden: 2048, ffn: 5504, heads: 16, kvHeads: 16, vocab: 32000 },
} as const satisfies Record<string, ModelSize>;

const KEYS = ['layers', 'hidden', 'ffn', 'heads', 'kv-heads', 'vocab'] as const;

/**
 * A name of the table, or "layers=24,hidden=2048,ffn=5632,heads=32,kv-heads=8,vocab=32000": what is left out is as in 33m,
 * key and value heads as many as heads.
 * @throws InputError for another name or key, and for sizes that make no model
 */
export function parseModelSize(text: string): ModelSize {
  const named = Object.entries(MODEL_SIZES).find(([name]) => name === text.toLowerCase())?.[1];
  if (named !== undefined) return named;
  if (!text.includes('='))
    throw new InputError(
      `--size is "${text}".${didYouMeanHint(text, Object.keys(MODEL_SIZES))} Give one of ` +
        `${Object.keys(MODEL_SIZES).join(', ')}, or numbers as in layers=24,hidden=2048,ffn=5632,heads=32,kv-heads=8,vocab=32000.`,
    );
  const given = new Map<string, number>();
  for (const part of text.split(',')) {
    const [key = '', value = ''] = part.split('=');
    if (!KEYS.some((known) => known === key))
      throw new InputError(`--size: there is no "${key}"; there are ${KEYS.join(', ')}.`);
    if (!/^[1-9]\d{0,8}$/.test(value) || given.has(key))
      throw new InputError(`--size: ${key} is "${value}"; give one whole number from 1.`);
    given.set(key, Number(value));
  }
  const base = MODEL_SIZES['33m'];
  const heads = given.get('heads') ?? base.heads;
  const size = {
    layers: given.get('layers') ?? base.layers,
    hidden: given.get('hidden') ?? base.hidden,
    ffn: given.get('ffn') ?? base.ffn,
    heads,
    kvHeads: given.get('kv-heads') ?? heads,
    vocab: given.get('vocab') ?? base.vocab,
  };
  if (size.hidden % size.heads !== 0 || (size.hidden / size.heads) % 2 !== 0 || heads % size.kvHeads !== 0)
    throw new InputError(
      `--size: a hidden size of ${size.hidden}, ${heads} heads and ${size.kvHeads} key and value heads make no model: heads are of ` +
        'one even size, and as many for each key and value head.',
    );
  if (size.vocab < 300)
    throw new InputError(`--size: a vocabulary of ${size.vocab} is too small; give 300 or more.`);
  return size;
}

/** Of a model that is there, for peers that build one of the same sizes. */
export function sizeOfShape(shape: ModelShape): ModelSize {
  return {
    layers: shape.numLayers,
    hidden: shape.hiddenSize,
    ffn: shape.intermediateSize,
    heads: shape.numHeads,
    kvHeads: shape.numKvHeads,
    vocab: shape.vocabSize,
    tied: shape.tied,
  };
}

export function parametersOf({ layers, hidden, ffn, heads, kvHeads, vocab, tied }: ModelSize): number {
  const attention = 2 * hidden * hidden + 2 * hidden * (hidden / heads) * kvHeads;
  const block = attention + 3 * hidden * ffn + 2 * hidden;
  return layers * block + (tied === true ? 1 : 2) * vocab * hidden + hidden;
}

/** A config of Llama's layout; XVERSE's has no shared heads. */
export function configOfSize(size: ModelSize, dtype: string): Readonly<Record<string, unknown>> {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: size.hidden,
    intermediate_size: size.ffn,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.kvHeads,
    vocab_size: size.vocab,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: size.tied ?? false,
    torch_dtype: dtype,
    bos_token_id: 1,
    eos_token_id: 2,
  };
}
