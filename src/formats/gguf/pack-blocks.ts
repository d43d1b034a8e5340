/** Float32 weights packed into blocks of the kinds that are written. */
import type { EncodeBlock } from './blocks/block-encoder.js';
import { encodeQ4_0, encodeQ8_0 } from './blocks/encode-small-blocks.js';
import { encodeQ4_K, encodeQ6_K } from './blocks/encode-super-blocks.js';
import { ggufQuantizationLayout } from './gguf-types.js';

const ENCODERS = {
  Q4_0: encodeQ4_0,
  Q8_0: encodeQ8_0,
  Q4_K: encodeQ4_K,
  Q6_K: encodeQ6_K,
} as const satisfies Record<string, EncodeBlock>;

/** Kinds of blocks that are written. */
export type WrittenQuantization = keyof typeof ENCODERS;

const WIDTH = 4;

/** @param pieces bytes of float32, little-endian; in all a whole number of blocks, cut anywhere */
export function* packBlocks(
  pieces: Iterable<Uint8Array>,
  quantization: WrittenQuantization,
): Generator<Uint8Array, void> {
  const { blockSize, blockBytes } = ggufQuantizationLayout(quantization);
  const encode: EncodeBlock = ENCODERS[quantization];
  let rest: Uint8Array = new Uint8Array(0);
  for (const piece of pieces) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const blocks = Math.floor(bytes.length / (blockSize * WIDTH));
    // A copy: aligned, and still there when the next piece takes its place.
    const whole = bytes.slice(0, blocks * blockSize * WIDTH);
    rest = bytes.slice(whole.length);
    const weights = new Float32Array(whole.buffer, whole.byteOffset, blocks * blockSize);
    const packed = new Uint8Array(blocks * blockBytes);
    for (let block = 0; block < blocks; block++)
      encode(weights, block * blockSize, packed, block * blockBytes);
    yield packed;
  }
  if (rest.length > 0) throw new RangeError(`${rest.length} bytes are left that make no block.`);
}
