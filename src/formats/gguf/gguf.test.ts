import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { InputError } from '../../errors/index.js';
import { readRanges } from '../files/read-ranges.js';
import { readTensorBytes } from '../tensors/file-tensor.js';
import type { GgufValue } from './gguf-metadata.js';
import { readGgufFile } from './gguf-reader.js';
import { type GgufTensorInput, writeGgufFile } from './gguf-writer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gguf-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const metadata: ReadonlyMap<string, GgufValue> = new Map<string, GgufValue>([
  ['general.architecture', { type: 'string', value: 'xverse' }],
  ['general.file_type', { type: 'uint32', value: 2 ** 32 - 1 }],
  ['a.uint8', { type: 'uint8', value: 255 }],
  ['a.int8', { type: 'int8', value: -128 }],
  ['a.uint16', { type: 'uint16', value: 65535 }],
  ['a.int16', { type: 'int16', value: -32768 }],
  ['a.int32', { type: 'int32', value: -(2 ** 31) }],
  ['a.uint64', { type: 'uint64', value: 2n ** 64n - 1n }],
  ['a.int64', { type: 'int64', value: -(2n ** 63n) }],
  ['a.float32', { type: 'float32', value: 0.5 }],
  ['a.float64', { type: 'float64', value: 0.1 }],
  ['a.bool', { type: 'bool', value: true }],
  ['tokens', { type: 'array', itemType: 'string', value: ['<s>', '', '星河', '\ufeff', '▁a'] }],
  ['scores', { type: 'array', itemType: 'float32', value: [0, -1.5, 1e10] }],
  ['token_type', { type: 'array', itemType: 'int32', value: [1, -2, 6] }],
  ['flags', { type: 'array', itemType: 'bool', value: [true, false] }],
  ['big', { type: 'array', itemType: 'int64', value: [-1n, 2n ** 62n] }],
  ['bigger', { type: 'array', itemType: 'uint64', value: [2n ** 64n - 1n] }],
]);

const content = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7) % 60);
const tensors: readonly GgufTensorInput[] = [
  { name: 'token_embd.weight', dtype: 'float32', shape: [3, 4], bytes: () => content(48) },
  { name: 'half', dtype: 'float16', shape: [5], bytes: () => [content(4), content(6)] },
  { name: 'brain', dtype: 'bfloat16', shape: [2, 3, 1], bytes: () => content(12) },
  { name: 'double', dtype: 'float64', shape: [1, 2], bytes: () => content(16) },
  { name: 'i8', dtype: 'int8', shape: [3], bytes: () => content(3) },
  { name: 'i16', dtype: 'int16', shape: [3], bytes: () => content(6) },
  { name: 'i32', dtype: 'int32', shape: [3], bytes: () => content(12) },
  { name: 'i64', dtype: 'int64', shape: [2, 1], bytes: () => content(16) },
  { name: 'blocks', quantization: 'Q8_0', shape: [2, 64], bytes: () => content(2 * 2 * 34) },
];

function bytesOf({ bytes }: GgufTensorInput): Buffer {
  const whole = bytes();
  return Buffer.concat(whole instanceof Uint8Array ? [whole] : [...whole]);
}

describe('GGUF files', () => {
  it.each([32, 64, 1])('are read as they were written, aligned to %i', (alignment) => {
    const path = join(folder, 'round-trip.gguf');
    const all = new Map<string, GgufValue>([
      ...metadata,
      [
        'nested',
        { type: 'array', itemType: 'array', value: [{ type: 'array', itemType: 'uint8', value: [1, 2] }] },
      ],
    ]);
    if (alignment !== 32) all.set('general.alignment', { type: 'uint32', value: alignment });
    writeGgufFile(path, all, tensors);
    const file = readGgufFile(path);
    expect(file.version).toBe(3);
    expect([...file.metadata]).toEqual([...all]);
    expect([...file.tensors.keys(), ...file.quantized.keys()]).toEqual(tensors.map(({ name }) => name));
    for (const input of tensors) {
      const plain = file.tensors.get(input.name);
      const packed = file.quantized.get(input.name);
      const { ranges, shape } = plain ?? packed ?? { ranges: [], shape: undefined };
      expect(shape, input.name).toEqual(input.shape);
      expect(Buffer.concat([...readRanges(ranges, 100)]), input.name).toEqual(bytesOf(input));
      expect((ranges[0]?.start ?? 1) % alignment).toBe(0);
    }
    expect(file.quantized.get('blocks')?.quantization).toBe('Q8_0');
  });

  it('are refused by the writer where GGUF cannot hold them, and no file is left', () => {
    const path = join(folder, 'refused.gguf');
    const none = new Map<string, GgufValue>();
    const tensor = (dtype: 'bool' | 'int8', shape: number[]): GgufTensorInput => ({
      name: 'a',
      dtype,
      shape,
      bytes: () => content(1),
    });
    expect(() => writeGgufFile(path, none, [tensor('bool', [1])])).toThrow('is bool, which GGUF cannot hold');
    expect(() => writeGgufFile(path, none, [tensor('int8', [1, 1, 1, 1, 1])])).toThrow('has 5 dimensions');
    expect(() => writeGgufFile(path, none, [tensor('int8', [2])])).toThrow('needs 2 bytes, got 1');
    expect(() => writeGgufFile(path, none, [tensor('int8', [1]), tensor('int8', [1])])).toThrow(
      'Two tensors',
    );
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });

  const message = (bytes: Uint8Array): string => {
    const path = join(folder, 'faulty.gguf');
    writeFileSync(path, bytes);
    try {
      readGgufFile(path);
    } catch (error) {
      if (error instanceof InputError) return error.message;
      throw error;
    }
    throw new Error('was read');
  };

  it('are refused by the reader where they are damaged', () => {
    const path = join(folder, 'valid.gguf');
    writeGgufFile(path, metadata, tensors);
    const valid = readFileSync(path);
    const changed = (at: number, bytes: readonly number[]): Buffer => {
      const copy = Buffer.from(valid);
      copy.set(bytes, at);
      return copy;
    };
    writeFileSync(path, changed(4, [2, 0, 0, 0]));
    expect(readGgufFile(path).version).toBe(2);
    expect(message(Buffer.from('\x80\x02}q\0'))).toContain('it is not a GGUF file');
    expect(message(changed(4, [1, 0, 0, 0]))).toContain('has GGUF version 1');
    expect(message(changed(4, [0, 0, 0, 3]))).toContain('big-endian');
    expect(message(changed(8, [0, 0, 0, 0, 0, 1]))).toContain('1099511627776 tensors');
    expect(message(changed(16, [255, 255, 255, 255, 255, 255, 255, 255]))).toContain('the number of keys is');
    expect(message(valid.subarray(0, valid.length - 100))).toMatch(/tensor "blocks" .* ends at byte/);
    const dimension = valid.indexOf('i32', valid.indexOf('brain')) + 3 + 4;
    expect(message(changed(dimension, [0, 0, 0, 0, 0, 0, 0, 1]))).toMatch(
      /tensor "i32": dimension 0 is|ends at byte/,
    );
  });
});

/** Prints what GGUFReader finds in a file of ours and writes one with GGUFWriter. */
const PROGRAM = `
import sys, json, numpy as np, gguf
from gguf import GGUFReader, GGUFWriter, GGMLQuantizationType as Q
ours, theirs = sys.argv[1:]
r = GGUFReader(ours)
def plain(v):
    return v.hex() if isinstance(v, bytes) else v
fields = {k: [[t.name for t in f.types], str(f.contents())] for k, f in r.fields.items() if not k.startswith("GGUF.")}
tensors = {t.name: [t.tensor_type.name, [int(d) for d in reversed(t.shape)], t.data.tobytes().hex()] for t in r.tensors}
w = GGUFWriter(theirs, "llama")
w.add_uint8("k.u8", 200); w.add_int8("k.i8", -3); w.add_uint16("k.u16", 60000); w.add_int16("k.i16", -300)
w.add_uint32("k.u32", 4000000000); w.add_int32("k.i32", -5); w.add_uint64("k.u64", 2**63); w.add_int64("k.i64", -2**40)
w.add_float32("k.f32", 1.5); w.add_float64("k.f64", 0.1); w.add_bool("k.bool", False); w.add_string("k.str", "星河")
w.add_token_list(["a", "b", "\\u0120c"]); w.add_token_scores([0.0, -1.0, -2.0]); w.add_token_types([1, 3, 6])
rng = np.random.default_rng(0)
x = rng.standard_normal((4, 64)).astype(np.float32)
expected = {}
for name, a in {"f32": x, "f16": x.astype(np.float16), "f64": x.astype(np.float64), "i8": np.arange(6, dtype=np.int8).reshape(2, 3),
                "i16": np.arange(3, dtype=np.int16), "i32": np.arange(3, dtype=np.int32), "i64": np.arange(3, dtype=np.int64)}.items():
    w.add_tensor(name, a); expected[name] = [list(a.shape), a.tobytes().hex()]
bf = gguf.quants.quantize(x, Q.BF16); w.add_tensor("bf16", bf, raw_dtype=Q.BF16); expected["bf16"] = [[4, 64], bf.tobytes().hex()]
for q in (Q.Q4_0, Q.Q8_0):
    b = gguf.quants.quantize(x, q); w.add_tensor(q.name, b, raw_dtype=q); expected[q.name] = [[4, 64], b.tobytes().hex()]
w.write_header_to_file(); w.write_kv_data_to_file(); w.write_tensors_to_file(); w.close()
print(json.dumps([fields, tensors, expected]))
`;

import { requiresPython } from '../../../tests/support/requires.js';

const python = referencePython();
describe('the gguf package and our files', requiresPython(python), () => {
  it('reads what we write with equal bytes; we read what it writes', () => {
    if (python === undefined) return;
    const ours = join(folder, 'ours.gguf');
    const theirs = join(folder, 'theirs.gguf');
    writeGgufFile(ours, metadata, tensors);
    type Shown = [string, number[], string];
    const [fields, read, expected] = runReference<
      [Record<string, [string[], string]>, Record<string, Shown>, Record<string, [number[], string]>]
    >(python, PROGRAM, [ours, theirs]);

    expect(Object.keys(fields)).toEqual([...metadata.keys()]);
    expect(fields['a.uint64']).toEqual([['UINT64'], '18446744073709551615']);
    expect(fields['a.int64']).toEqual([['INT64'], '-9223372036854775808']);
    expect(fields['a.float64']).toEqual([['FLOAT64'], '0.1']);
    expect(fields['general.architecture']).toEqual([['STRING'], 'xverse']);
    expect(fields.token_type).toEqual([['ARRAY', 'INT32'], '[1, -2, 6]']);
    expect(fields.tokens?.[1]).toContain("'<s>', '', '星河'");
    for (const input of tensors) {
      const [type, shape, hex] = read[input.name] ?? [];
      expect({ name: input.name, shape, hex }).toEqual({
        name: input.name,
        shape: [...input.shape],
        hex: bytesOf(input).toString('hex'),
      });
      if ('quantization' in input) expect(type).toBe(input.quantization);
    }

    const file = readGgufFile(theirs);
    const value = (key: string): unknown => file.metadata.get(key);
    expect(value('k.u8')).toEqual({ type: 'uint8', value: 200 });
    expect(value('k.i8')).toEqual({ type: 'int8', value: -3 });
    expect(value('k.u16')).toEqual({ type: 'uint16', value: 60000 });
    expect(value('k.i16')).toEqual({ type: 'int16', value: -300 });
    expect(value('k.u32')).toEqual({ type: 'uint32', value: 4000000000 });
    expect(value('k.i32')).toEqual({ type: 'int32', value: -5 });
    expect(value('k.u64')).toEqual({ type: 'uint64', value: 2n ** 63n });
    expect(value('k.i64')).toEqual({ type: 'int64', value: -(2n ** 40n) });
    expect(value('k.f32')).toEqual({ type: 'float32', value: 1.5 });
    expect(value('k.f64')).toEqual({ type: 'float64', value: 0.1 });
    expect(value('k.bool')).toEqual({ type: 'bool', value: false });
    expect(value('k.str')).toEqual({ type: 'string', value: '星河' });
    expect(value('tokenizer.ggml.tokens')).toEqual({
      type: 'array',
      itemType: 'string',
      value: ['a', 'b', 'Ġc'],
    });
    for (const [name, [shape, hex]] of Object.entries(expected)) {
      const tensor = file.tensors.get(name);
      const packed = file.quantized.get(name);
      expect(tensor?.shape ?? packed?.shape, name).toEqual(shape);
      const bytes = tensor
        ? readTensorBytes(tensor)
        : Buffer.concat([...readRanges(packed?.ranges ?? [], 1000)]);
      expect(Buffer.from(bytes).toString('hex'), name).toBe(hex);
    }
    expect([...file.quantized.values()].map(({ quantization }) => quantization)).toEqual(['Q4_0', 'Q8_0']);
  });
});
