import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { InputError } from '../../errors/index.js';
import { readSafetensorsHeader } from '../safetensors/safetensors-reader.js';
import { copyOf, type FileTensor, readTensorBytes, type TensorInput } from '../tensors/file-tensor.js';
import { type CkptFile, readCkptFile } from './ckpt-reader.js';
import { writeCkptFile } from './ckpt-writer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ckpt-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spark = join(goldenFolder, 'spark');

function safetensors(path: string): Map<string, FileTensor> {
  const entries = [...readSafetensorsHeader(path).tensors.values()];
  return new Map(
    entries.map(({ name, dtype, shape, byteStart, byteEnd }) => [
      name,
      { name, dtype, shape, ranges: [{ path, start: byteStart, end: byteEnd }] },
    ]),
  );
}

function tensorOf(file: CkptFile, name: string): FileTensor {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`${file.path} has no tensor ${name}`);
  return tensor;
}

function floats(tensor: FileTensor): number[] {
  const bytes = Buffer.from(readTensorBytes(tensor));
  const width = tensor.dtype === 'float32' ? 4 : 2;
  return Array.from({ length: bytes.length / width }, (_, index) => {
    if (width === 4) return bytes.readFloatLE(index * 4);
    const bits = bytes.readUInt16LE(index * 2);
    if (tensor.dtype === 'bfloat16') return Buffer.from([0, 0, bits & 255, bits >> 8]).readFloatLE();
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return bits >> 15 ? -size : size;
  });
}

describe('readCkptFile on the golden files', () => {
  it.each([
    ['spark_fp32.ckpt', 'model.safetensors'],
    ['spark_sliced.ckpt', 'model.safetensors'],
    ['lora_init.ckpt', 'lora_init.safetensors'],
  ])('%s holds the numbers of %s', (ckpt, twin) => {
    const file = readCkptFile(join(spark, ckpt));
    const expected = safetensors(join(spark, twin));
    for (const [name, tensor] of expected) {
      const found = tensorOf(file, name);
      expect({ name, dtype: found.dtype, shape: found.shape }).toEqual({
        name,
        dtype: tensor.dtype,
        shape: tensor.shape,
      });
      expect(Buffer.compare(readTensorBytes(found), readTensorBytes(tensor)), name).toBe(0);
    }
  });

  it('joins the pieces of a sliced tensor', () => {
    const counts = [...readCkptFile(join(spark, 'spark_sliced.ckpt')).tensors.values()].map(
      ({ ranges }) => ranges.length,
    );
    expect(Math.max(...counts)).toBeGreaterThan(1);
  });

  it.each(['bf16', 'fp16'])(
    'spark_%s.ckpt holds the rounded numbers, embedding and norms unrounded',
    (kind) => {
      const file = readCkptFile(join(spark, `spark_${kind}.ckpt`));
      for (const [name, tensor] of safetensors(join(spark, 'model.safetensors'))) {
        const found = tensorOf(file, name);
        const kept = name.includes('embedding') || name.includes('norm');
        expect(found.dtype, name).toBe(kept ? 'float32' : kind === 'bf16' ? 'bfloat16' : 'float16');
        const [exact, rounded] = [floats(tensor), floats(found)];
        const bound = kept ? 0 : kind === 'bf16' ? 2 ** -8 : 2 ** -11;
        const worst = exact.reduce(
          (most, value, index) =>
            Math.max(most, Math.abs(value - (rounded[index] ?? 0)) - Math.abs(value) * bound),
          0,
        );
        expect(worst, name).toBeLessThanOrEqual(2 ** -25);
      }
    },
  );

  it('reads the shards of a model-parallel layout', () => {
    const [first, second] = [0, 1].map((rank) =>
      readCkptFile(join(spark, `ckpt_mp2/rank_${rank}/spark-1_1.ckpt`)),
    );
    if (first === undefined || second === undefined) throw new Error('no shards');
    const whole = safetensors(join(spark, 'model.safetensors'));
    expect([...first.tensors.keys()]).toEqual([...second.tensors.keys()]);
    let joined = 0;
    for (const [name, tensor] of whole) {
      const pieces = [tensorOf(first, name), tensorOf(second, name)].map(readTensorBytes);
      const bytes = readTensorBytes(tensor);
      if (pieces[0]?.length === bytes.length) expect(Buffer.compare(pieces[0], bytes), name).toBe(0);
      else if (/[qkv]_proj|fc[01]|embedding/.test(name)) {
        expect(Buffer.compare(Buffer.concat(pieces), bytes), name).toBe(0);
        joined++;
      }
    }
    expect(joined).toBeGreaterThan(0);
  });

  it('reads counters, flags and scalars of a training state', () => {
    const { tensors } = readCkptFile(join(spark, 'training_state.ckpt'));
    const kinds = new Set([...tensors.values()].map(({ dtype }) => dtype));
    for (const dtype of ['float32', 'bool', 'int64', 'uint8'] as const) expect(kinds).toContain(dtype);
    expect([...tensors.values()].some(({ shape }) => shape.length === 0)).toBe(true);
  });
});

const content = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, index) => index % 251);
const input = (name: string, dtype: TensorInput['dtype'], shape: number[], bytes: number): TensorInput => ({
  name,
  dtype,
  shape,
  bytes: () => content(bytes),
});

describe('writeCkptFile', () => {
  it('writes the golden file again, byte for byte', () => {
    const path = join(folder, 'again.ckpt');
    const golden = join(spark, 'spark_fp32.ckpt');
    writeCkptFile(
      path,
      [...readCkptFile(golden).tensors.values()].map((tensor) => copyOf(tensor)),
    );
    expect(Buffer.compare(readFileSync(path), readFileSync(golden))).toBe(0);
  });

  it.each([1, 7, 16, 100])('cuts big tensors into slices of %i bytes', (sliceBytes) => {
    const path = join(folder, 'slices.ckpt');
    const pieces = [5, 0, 20, 15].map((length) => new Uint8Array(length).fill(length));
    const inputs = [
      { ...input('pieces', 'float32', [2, 5], 40), bytes: () => pieces },
      input('scalar', 'float64', [], 8),
      input('empty', 'int8', [0, 3], 0),
      input('星', 'uint8', [33], 33),
    ];
    writeCkptFile(path, inputs, { sliceBytes, crc: true });
    const file = readCkptFile(path, { verifyCrc: true });
    expect([...file.tensors.values()].map(({ name, shape, ranges }) => [name, shape, ranges.length])).toEqual(
      [
        ['pieces', [2, 5], Math.ceil(40 / sliceBytes)],
        ['scalar', [], Math.ceil(8 / sliceBytes)],
        ['empty', [0, 3], 1],
        ['星', [33], Math.ceil(33 / sliceBytes)],
      ],
    );
    expect(readTensorBytes(tensorOf(file, 'pieces'))).toEqual(Buffer.concat(pieces));
    expect(readTensorBytes(tensorOf(file, '星'))).toEqual(Buffer.from(content(33)));
  });

  it('refuses what it cannot hold and leaves no file', () => {
    const path = join(folder, 'refused.ckpt');
    expect(() => writeCkptFile(path, [input('a', 'float8_e5m2', [1], 1)])).toThrow('is float8_e5m2, which');
    expect(() => writeCkptFile(path, [input('a', 'int8', [2], 3)])).toThrow('needs 2 bytes, got 3');
    expect(() => writeCkptFile(path, [input('a', 'int8', [1], 1), input('a', 'int8', [1], 1)])).toThrow(
      'Two tensors are named "a"',
    );
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });
});

describe('readCkptFile refuses', () => {
  const message = (bytes: Uint8Array, verifyCrc = false): string => {
    const path = join(folder, 'faulty.ckpt');
    writeFileSync(path, bytes);
    try {
      readCkptFile(path, { verifyCrc });
    } catch (error) {
      if (error instanceof InputError) return error.message;
      throw error;
    }
    throw new Error('was read');
  };
  const valid = (): Buffer => {
    const path = join(folder, 'valid.ckpt');
    writeCkptFile(path, [input('layer.weight', 'float32', [2, 3], 24)], { crc: true });
    return readFileSync(path);
  };

  it('encrypted files', () => {
    expect(message(Buffer.from('d85e3a7f0bfc9737', 'hex'))).toContain('is encrypted (AES-GCM)');
  });

  it('a false CRC, when asked to look', () => {
    const bytes = valid();
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    expect(message(bytes, true)).toContain('has the CRC-32');
  });

  it('a cut file, other formats and empty files', () => {
    expect(message(valid().subarray(0, 40))).toMatch(/field 1 takes \d+ bytes, where only \d+ are left/);
    expect(message(Buffer.from('GGUF\x03\0\0\0'))).toContain('damaged or of another format');
    expect(message(Buffer.alloc(0))).toContain('is empty');
  });

  it('types without a counterpart and sizes that do not fit, by the name of the tensor', () => {
    const replaced = (from: string, to: string): Buffer =>
      Buffer.from(valid().toString('latin1').replace(from, to), 'latin1');
    expect(message(replaced('Float32', 'Complex'))).toContain(
      'tensor "layer.weight" at byte 0 has the type "Complex"',
    );
    expect(message(replaced('\x08\x02\x08\x03', '\x08\x02\x08\x04'))).toContain(
      'needs 32 bytes, but 24 are there',
    );
  });
});
