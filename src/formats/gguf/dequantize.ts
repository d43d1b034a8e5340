/** Tensors of packed blocks as float32: bytes that no file has, made as they are read. */
import { InputError } from '../../errors/index.js';
import { readFully } from '../files/input-file.js';
import type { RangeContent } from '../files/read-ranges.js';
import { showValue } from '../files/show-value.js';
import type { FileTensor } from '../tensors/file-tensor.js';
import type { DecodeBlocks } from './blocks/block-decoder.js';
import {
  decodeIQ4_NL,
  decodeQ4_0,
  decodeQ4_1,
  decodeQ5_0,
  decodeQ5_1,
  decodeQ8_0,
} from './blocks/small-blocks.js';
import {
  decodeIQ4_XS,
  decodeQ2_K,
  decodeQ3_K,
  decodeQ4_K,
  decodeQ5_K,
  decodeQ6_K,
} from './blocks/super-blocks.js';
import type { GgufQuantizedTensor } from './gguf-reader.js';
import { type GgufQuantization, ggufQuantizationLayout } from './gguf-types.js';

const DECODERS: ReadonlyMap<GgufQuantization, DecodeBlocks> = new Map<GgufQuantization, DecodeBlocks>([
  ['Q4_0', decodeQ4_0],
  ['Q4_1', decodeQ4_1],
  ['Q5_0', decodeQ5_0],
  ['Q5_1', decodeQ5_1],
  ['Q8_0', decodeQ8_0],
  ['IQ4_NL', decodeIQ4_NL],
  ['Q2_K', decodeQ2_K],
  ['Q3_K', decodeQ3_K],
  ['Q4_K', decodeQ4_K],
  ['Q5_K', decodeQ5_K],
  ['Q6_K', decodeQ6_K],
  ['IQ4_XS', decodeIQ4_XS],
]);

const WIDTH = 4;

/** ggml's names of the packed types whose weights can be read, for messages. */
export function dequantizableTypes(): string {
  return [...DECODERS.keys()].join(', ');
}

/**
 * The weights of `tensor` as float32, exactly: decoded block by block as they are read.
 * @throws InputError for a type whose blocks cannot be read
 */
export function dequantized({ name, quantization, shape, ranges }: GgufQuantizedTensor): FileTensor {
  const [packed] = ranges;
  const decode = DECODERS.get(quantization);
  if (packed === undefined) return { name, dtype: 'float32', shape, ranges: [] };
  if (decode === undefined)
    throw new InputError(
      `${packed.path}: tensor ${showValue(name)} is packed as ${quantization}, which is not read here; readable are F32, F16, ` +
        `BF16, ${dequantizableTypes()}. Take the model in one of these.`,
    );
  const { blockSize, blockBytes } = ggufQuantizationLayout(quantization);
  const end = ((packed.end - packed.start) / blockBytes) * blockSize * WIDTH;
  const content = decodedContent(packed.start, decode, blockSize, blockBytes);
  return { name, dtype: 'float32', shape, ranges: [{ path: packed.path, start: 0, end, content }] };
}

function decodedContent(
  packedStart: number,
  decode: DecodeBlocks,
  blockSize: number,
  blockBytes: number,
): RangeContent {
  const decodedBytes = blockSize * WIDTH;
  /** @returns the decoded bytes, fewer where the file ends before */
  const decodeInto = (descriptor: number, first: number, count: number, target: Buffer): number => {
    const piece = Math.min(count, Math.ceil(PIECE_WEIGHTS / blockSize));
    const packed = packedBuffer(piece * blockBytes);
    for (let done = 0; done < count; done += piece) {
      const wanted = Math.min(piece, count - done);
      const offset = packedStart + (first + done) * blockBytes;
      const held = readFully(descriptor, offset, wanted * blockBytes, packed);
      const whole = Math.floor(held.length / blockBytes);
      const start = target.byteOffset + done * decodedBytes;
      decode(held, whole, new Float32Array(target.buffer, start, whole * blockSize));
      if (whole < wanted) return (done + whole) * decodedBytes;
    }
    return count * decodedBytes;
  };
  return {
    read(descriptor, start, length, buffer) {
      const first = Math.floor(start / decodedBytes);
      const count = Math.ceil((start + length) / decodedBytes) - first;
      const skipped = start - first * decodedBytes;
      const isWhole = skipped === 0 && count * decodedBytes === length;
      const target = isWhole && buffer !== undefined ? buffer : Buffer.allocUnsafeSlow(count * decodedBytes);
      const made = decodeInto(descriptor, first, count, target);
      const decoded = target.subarray(skipped, Math.max(skipped, Math.min(skipped + length, made)));
      if (target === buffer || buffer === undefined) return decoded;
      decoded.copy(buffer);
      return buffer.subarray(0, decoded.length);
    },
  };
}

let packedScratch = Buffer.alloc(0);

/** One for all reads, which never run within one another: a buffer for each would lie about until it is collected. */
function packedBuffer(bytes: number): Buffer {
  if (packedScratch.length < bytes) packedScratch = Buffer.allocUnsafeSlow(bytes);
  return packedScratch.subarray(0, bytes);
}

/** Decoded at a time: packed and decoded, they fit the caches of a processor. */
const PIECE_WEIGHTS = 2 ** 16;
