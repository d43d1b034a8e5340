// Writes a folder with a model of random bfloat16 weights in Llama's layout and a made-up vocabulary, for measurements.
//
//   node bench/random-model.mjs --to DIR [--hidden 2048] [--layers 24] [--heads 32] [--kv-heads 8] [--ffn 5632]
//     [--vocab 32000] [--tied]
//
// The defaults are 1.2 billion parameters with grouped heads, 2.4 GB. `xinghe convert --from DIR --to FILE.gguf` gives
// the same weights as llama.cpp reads them.
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    to: { type: 'string' },
    hidden: { type: 'string', default: '2048' },
    layers: { type: 'string', default: '24' },
    heads: { type: 'string', default: '32' },
    'kv-heads': { type: 'string', default: '8' },
    ffn: { type: 'string', default: '5632' },
    vocab: { type: 'string', default: '32000' },
    tied: { type: 'boolean', default: false },
  },
});
if (values.to === undefined) throw new TypeError('--to DIR is required');
const [hidden, layers, heads, kvHeads, ffn, vocab] = [
  values.hidden,
  values.layers,
  values.heads,
  values['kv-heads'],
  values.ffn,
  values.vocab,
].map(Number);
const kvSize = (hidden / heads) * kvHeads;
const WEIGHT_STD = 0.02;
const PIECE = 1 << 20; // elements
const spread = spreadWeights();

/** @type {[name: string, shape: number[]][]} */
const tensors = [['model.embed_tokens.weight', [vocab, hidden]]];
for (let layer = 0; layer < layers; layer++) {
  const prefix = `model.layers.${layer}`;
  tensors.push(
    [`${prefix}.input_layernorm.weight`, [hidden]],
    [`${prefix}.self_attn.q_proj.weight`, [hidden, hidden]],
    [`${prefix}.self_attn.k_proj.weight`, [kvSize, hidden]],
    [`${prefix}.self_attn.v_proj.weight`, [kvSize, hidden]],
    [`${prefix}.self_attn.o_proj.weight`, [hidden, hidden]],
    [`${prefix}.post_attention_layernorm.weight`, [hidden]],
    [`${prefix}.mlp.gate_proj.weight`, [ffn, hidden]],
    [`${prefix}.mlp.up_proj.weight`, [ffn, hidden]],
    [`${prefix}.mlp.down_proj.weight`, [hidden, ffn]],
  );
}
tensors.push(['model.norm.weight', [hidden]]);
if (!values.tied) tensors.push(['lm_head.weight', [vocab, hidden]]);

mkdirSync(values.to, { recursive: true });
writeConfig(values.to);
writeTokenizer(values.to);
writeWeights(join(values.to, 'model.safetensors'));

/** @param {string} folder */
function writeConfig(folder) {
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: ffn,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: vocab,
    max_position_embeddings: 8192,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: values.tied,
    torch_dtype: 'bfloat16',
    bos_token_id: 1,
    eos_token_id: 2,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config, null, 2));
}

/** Byte-level BPE: 3 control tokens, the 256 bytes, then pairs of lower-case letters and longer ones made of them. @param {string} folder */
function writeTokenizer(folder) {
  const controls = ['<unk>', '<s>', '</s>'];
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const tokens = [...controls, ...byteCharacters()];
  /** @type {[string, string][]} */
  const merges = [];
  for (let first = letters; tokens.length < vocab; first = first.flatMap((a) => letters.map((b) => a + b)))
    for (const a of first)
      for (const b of letters) {
        if (tokens.length === vocab) break;
        tokens.push(a + b);
        merges.push([a, b]);
      }
  const tokenizer = {
    version: '1.0',
    added_tokens: controls.map((content, id) => ({
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
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: merges.map((pair) => pair.join(' ')),
    },
  };
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
}

/** GPT-2's characters for the 256 bytes: printable ones stand for themselves. */
function byteCharacters() {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCharCode(isPrintable ? byte : next++);
  });
}

/** @param {string} file */
function writeWeights(file) {
  const header = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, shape] of tensors) {
    const end = offset + 2 * elements(shape);
    Object.assign(header, { [name]: { dtype: 'BF16', shape, data_offsets: [offset, end] } });
    offset = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  const descriptor = openSync(file, 'w');
  writeSync(descriptor, length);
  writeSync(descriptor, padded);
  const ones = new Uint16Array(hidden).fill(0x3f80);
  for (const [, shape] of tensors) {
    if (shape.length === 1) {
      writeSync(descriptor, new Uint8Array(ones.buffer));
      continue;
    }
    for (let rest = elements(shape); rest > 0; rest -= PIECE)
      writeSync(descriptor, new Uint8Array(randomWeights(Math.min(rest, PIECE)).buffer));
  }
  closeSync(descriptor);
}

/** @param {number} count @returns bfloat16 bits */
function randomWeights(count) {
  return randomFillSync(new Uint16Array(count)).map((number) => spread[number] ?? 0);
}

/** A bfloat16 for each number of 16 bits: evenly spread, with the standard deviation of new weights. */
function spreadWeights() {
  const bound = WEIGHT_STD * Math.sqrt(12);
  const floats = Float32Array.from({ length: 65536 }, (_, number) => ((number + 0.5) / 65536 - 0.5) * bound);
  return Uint16Array.from(new Uint32Array(floats.buffer), (word) => word >>> 16);
}

/** @param {number[]} shape */
function elements(shape) {
  return shape.reduce((product, size) => product * size, 1);
}
