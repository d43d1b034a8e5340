/** What the fast and the long fuzz tests of MindSpore checkpoints, MindRecord and GGUF files have in common. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { placeParameter } from '../../src/checkpoint/strategy/parameter-placement.js';
import { InputError } from '../../src/errors/index.js';
import { parseCkpt } from '../../src/formats/ckpt/ckpt-reader.js';
import type { InputFile } from '../../src/formats/files/input-file.js';
import { parseGguf } from '../../src/formats/gguf/gguf-reader.js';
import {
  dtypeBytes,
  elementCount,
  type FileTensor,
  type GgufValue,
  type TensorInput,
  writeCkptFile,
  writeGgufFile,
  writeMindRecord,
} from '../../src/formats/index.js';
import { decodeRow } from '../../src/formats/mindrecord/mindrecord-row.js';
import { MindRecordShard } from '../../src/formats/mindrecord/mindrecord-shard.js';
import { stageDevices } from '../../src/formats/strategy/parallel-strategy.js';
import { parseStrategy } from '../../src/formats/strategy/strategy-reader.js';
import { mutated } from './mutate.js';

/** A file in memory that refuses to be asked for more than it has: a reader must have looked at the size before. */
function inMemory(bytes: Buffer): InputFile {
  return {
    path: 'fuzz.bin',
    size: bytes.length,
    read(offset, length) {
      if (!(offset >= 0 && length >= 0 && length <= bytes.length + 8))
        throw new Error(`asked for ${offset}+${length}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** Runs a reader; whatever but an InputError with a short message is a fault of it. */
function readsOrRefuses(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (!error.message.includes('fuzz.bin') || error.message.length > 1000)
      throw new Error(`poor message: ${error.message}`);
  }
}

function checkTensors(tensors: Iterable<FileTensor>, fileSize: number): void {
  for (const { name, dtype, shape, ranges } of tensors) {
    const held = ranges.reduce((bytes, { start, end }) => bytes + end - start, 0);
    if (held !== elementCount([...shape, dtypeBytes(dtype)]))
      throw new Error(`accepted a false tensor ${name}`);
    if (ranges.some(({ start, end }) => start < 0 || end > fileSize)) throw new Error(`${name} lies outside`);
  }
}

export function readCkptBytes(bytes: Buffer): void {
  readsOrRefuses(() => {
    const file = parseCkpt(inMemory(bytes), { verifyCrc: true });
    checkTensors(file.tensors.values(), bytes.length);
  });
}

export function readGgufBytes(bytes: Buffer): void {
  readsOrRefuses(() => {
    const file = parseGguf(inMemory(bytes));
    checkTensors(file.tensors.values(), bytes.length);
  });
}

export function readMindRecordBytes(bytes: Buffer): void {
  readsOrRefuses(() => {
    const file = inMemory(bytes);
    const shard = new MindRecordShard(file);
    for (let row = 0; row < shard.rowCount; row++) {
      const { blobPage, blob, rawPage, raw } = shard.location(file, row);
      const contents = [shard.read(file, blobPage, blob), shard.read(file, rawPage, raw)] as const;
      decodeRow(shard.header.columns, ...contents, () => `fuzz.bin, row ${row}`);
    }
  });
}

export function readStrategyBytes(bytes: Buffer): void {
  readsOrRefuses(() => {
    for (const layouts of parseStrategy(inMemory(bytes)).stages.values())
      for (const layout of layouts.values())
        for (const dims of [0, 1, 2, 3]) if (stageDevices(layout) < 1000) placeParameter(layout, dims);
  });
}

/** One small valid file of each format, with the size of its head, where most damage is done. */
export interface ValidFiles {
  readonly ckpt: Buffer;
  readonly gguf: Buffer;
  /** Without the gap between header and first page, so that mutations meet something. */
  readonly mindRecord: Buffer;
}

export async function makeValidFiles(): Promise<ValidFiles> {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-containers-'));
  try {
    const path = join(folder, 'valid');
    const tensors = (['float32', 'bfloat16', 'int8'] as const).map(
      (dtype, index): TensorInput => ({
        name: `layer.${index}.weight`,
        dtype,
        shape: [2, index + 1],
        bytes: () => new Uint8Array(2 * (index + 1) * dtypeBytes(dtype)),
      }),
    );
    writeCkptFile(path, tensors, { sliceBytes: 5, crc: true });
    const ckpt = readFileSync(path);
    const metadata = new Map<string, GgufValue>([
      ['general.architecture', { type: 'string', value: 'xverse' }],
      ['tokens', { type: 'array', itemType: 'string', value: ['a', 'bc', ''] }],
      ['scores', { type: 'array', itemType: 'float32', value: [1, 2] }],
      ['flag', { type: 'bool', value: true }],
      [
        'nested',
        { type: 'array', itemType: 'array', value: [{ type: 'array', itemType: 'int64', value: [1n] }] },
      ],
      ['general.alignment', { type: 'uint32', value: 8 }],
    ]);
    const blocks = {
      name: 'q',
      quantization: 'Q8_0',
      shape: [1, 32],
      bytes: () => new Uint8Array(34),
    } as const;
    writeGgufFile(path, metadata, [...tensors, blocks]);
    const gguf = readFileSync(path);
    const columns = [
      { name: 'ids', type: 'int64', shape: [-1] },
      { name: 'x', type: 'float32', shape: [2] },
      { name: 'label', type: 'int32' },
      { name: 'text', type: 'string' },
    ] as const;
    const rows = [1, 2, 3].map((label) => ({
      ids: [label, 300, 70_000, 2 ** 40],
      x: [0, label],
      label,
      text: `t${label}`,
    }));
    await writeMindRecord(path, columns, rows, { headerBytes: 2 ** 14, pageBytes: 2 ** 15 });
    return { ckpt, gguf, mindRecord: withoutGaps(readFileSync(path)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A MindRecord file with the smallest header and pages that its content fits in. */
function withoutGaps(file: Buffer): Buffer {
  const length = Number(file.readBigUInt64LE());
  const [headerBytes, pageBytes] = [length + 64, 512];
  const json = file
    .toString('utf8', 8, 8 + length)
    .replace('"header_size":16384', `"header_size":${headerBytes}`)
    .replace('"page_size":32768', `"page_size":${pageBytes}`);
  const compact = Buffer.alloc(headerBytes + 2 * pageBytes);
  compact.writeBigUInt64LE(BigInt(Buffer.byteLength(json)));
  compact.write(json, 8);
  for (const page of [0, 1])
    file.copy(
      compact,
      headerBytes + page * pageBytes,
      2 ** 14 + page * 2 ** 15,
      2 ** 14 + page * 2 ** 15 + pageBytes,
    );
  return compact;
}

/** `numRuns` damaged copies of the valid file, and as many files of random bytes behind its first ones, divided by ten. */
export function fuzz(valid: Buffer, read: (bytes: Buffer) => void, numRuns: number): void {
  read(valid);
  fc.assert(fc.property(mutated(valid), read), { numRuns });
  const head = fc.nat(valid.length);
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 100 }), (kept, bytes) =>
      read(Buffer.concat([valid.subarray(0, kept), bytes])),
    ),
    { numRuns: Math.ceil(numRuns / 10) },
  );
}
