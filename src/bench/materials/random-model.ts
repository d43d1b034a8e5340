/** A model folder of random weights in Llama's layout with a made-up vocabulary: speed does not depend on what the weights are. */
import { randomFillSync } from 'node:crypto';
import { mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { writeSafetensors } from '../../formats/index.js';
import { formatBytes } from '../../log/index.js';
import { configOfSize, type ModelSize, parametersOf } from './model-sizes.js';

export interface RandomModelSettings {
  /** A new folder. */
  readonly to: string;
  readonly size: ModelSize;
  readonly dtype: 'bfloat16' | 'float32';
}

const WEIGHT_STD = 0.02;
/** Elements that are made at a time. */
const PIECE = 1 << 20;
const CONTROL_TOKENS = ['<unk>', '<s>', '</s>'];

/** @returns the bytes of the weights @throws InputError where the disk has no room for them */
export function writeRandomModel({ to, size, dtype }: RandomModelSettings): { readonly bytes: number } {
  const width = dtype === 'bfloat16' ? 2 : 4;
  refuseFullDisk(dirname(to), width * parametersOf(size));
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'config.json'), JSON.stringify(configOfSize(size, dtype), null, 2));
  writeFileSync(join(to, 'tokenizer.json'), JSON.stringify(inventedTokenizer(size.vocab)));
  const spread = spreadWeights(dtype);
  const tensors = tensorsOf(size).map(([name, shape]) => ({
    name,
    dtype,
    shape,
    bytes: () => randomBytes(shape, spread),
  }));
  writeSafetensors(join(to, 'model.safetensors'), tensors);
  return { bytes: width * parametersOf(size) };
}

/** @throws InputError where a folder's disk holds fewer free bytes, a tenth left over */
export function refuseFullDisk(folder: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (bytes > 0.9 * bavail * bsize)
    throw new InputError(
      `${folder} has ${formatBytes(bavail * bsize)} free, and the files to measure with need ${formatBytes(bytes)}; give a smaller ` +
        '--size, or another place by TMPDIR.',
    );
}

function tensorsOf({ layers, hidden, ffn, heads, kvHeads, vocab, tied }: ModelSize): [string, number[]][] {
  const kvSize = (hidden / heads) * kvHeads;
  const blocks = Array.from({ length: layers }, (_, layer): [string, number[]][] =>
    (
      [
        ['input_layernorm', [hidden]],
        ['self_attn.q_proj', [hidden, hidden]],
        ['self_attn.k_proj', [kvSize, hidden]],
        ['self_attn.v_proj', [kvSize, hidden]],
        ['self_attn.o_proj', [hidden, hidden]],
        ['post_attention_layernorm', [hidden]],
        ['mlp.gate_proj', [ffn, hidden]],
        ['mlp.up_proj', [ffn, hidden]],
        ['mlp.down_proj', [hidden, ffn]],
      ] satisfies [string, number[]][]
    ).map(([name, shape]) => [`model.layers.${layer}.${name}.weight`, shape]),
  );
  return [
    ['model.embed_tokens.weight', [vocab, hidden]],
    ...blocks.flat(),
    ['model.norm.weight', [hidden]],
    ...(tied === true ? [] : [['lm_head.weight', [vocab, hidden]] satisfies [string, number[]]]),
  ];
}

type Spread = Uint16Array | Float32Array;

/** A weight for each number of 16 bits, bfloat16 as its bits: evenly spread, with the standard deviation of new weights. */
function spreadWeights(dtype: 'bfloat16' | 'float32'): Spread {
  const bound = WEIGHT_STD * Math.sqrt(12);
  const floats = Float32Array.from({ length: 65536 }, (_, number) => ((number + 0.5) / 65536 - 0.5) * bound);
  return dtype === 'float32'
    ? floats
    : Uint16Array.from(new Uint32Array(floats.buffer), (word) => word >>> 16);
}

/** Norms are ones. */
function* randomBytes(shape: readonly number[], spread: Spread): Generator<Uint8Array> {
  for (let rest = shape.reduce((product, size) => product * size, 1); rest > 0; rest -= PIECE) {
    const numbers = new Uint16Array(Math.min(rest, PIECE));
    if (shape.length > 1) randomFillSync(numbers);
    const weights =
      shape.length === 1
        ? ones(numbers.length, spread)
        : spread instanceof Float32Array
          ? Float32Array.from(numbers, (number) => spread[number] ?? 0)
          : numbers.map((number) => spread[number] ?? 0);
    yield new Uint8Array(weights.buffer);
  }
}

function ones(count: number, spread: Spread): Spread {
  return spread instanceof Float32Array
    ? new Float32Array(count).fill(1)
    : new Uint16Array(count).fill(0x3f80);
}

/** Byte-level BPE: control tokens, the 256 bytes, then pairs of lower-case letters and longer ones made of them. */
function inventedTokenizer(vocab: number): object {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const tokens = [...CONTROL_TOKENS, ...byteCharacters()];
  const merges: string[] = [];
  for (let first = letters; tokens.length < vocab; first = first.flatMap((a) => letters.map((b) => a + b)))
    for (const a of first)
      for (const b of letters) {
        if (tokens.length === vocab) break;
        tokens.push(a + b);
        merges.push(`${a} ${b}`);
      }
  return {
    version: '1.0',
    added_tokens: CONTROL_TOKENS.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges },
  };
}

/** GPT-2's characters for the 256 bytes: printable ones stand for themselves. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}
