import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requires } from '../../../tests/support/requires.js';
import { sharedCases } from '../../../tests/support/shared-cases.js';
import { InputError, messageOf } from '../../errors/index.js';
import {
  openSafetensorsModel,
  readSafetensorsHeader,
  readSafetensorsIndex,
  type TensorInput,
  writeSafetensors,
  writeSafetensorsModel,
} from '../index.js';

const GOLDEN = 'tests/golden';
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'safetensors-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file with the given header text (or object) and as many data bytes. */
function fileWith(header: unknown, dataBytes = 0, claimedLength?: bigint): string {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimedLength ?? BigInt(json.length));
  const path = join(folder, 'case.safetensors');
  writeFileSync(path, Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]));
  return path;
}

function refusal(path: string): string {
  try {
    readSafetensorsHeader(path);
  } catch (error) {
    expect(error, messageOf(error)).toBeInstanceOf(InputError);
    return messageOf(error);
  }
  throw new Error('the file was accepted');
}

describe('readSafetensorsHeader', () => {
  const files = readdirSync(GOLDEN, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.safetensors'),
  );
  it.each(files)('reads golden %s', (name) => {
    const file = readSafetensorsHeader(join(GOLDEN, name));
    expect(file.tensors.size).toBeGreaterThan(0);
    const bytes = [...file.tensors.values()].reduce((sum, entry) => sum + entry.byteEnd - entry.byteStart, 0);
    expect(bytes).toBe(file.fileSize - file.dataStart);
  });

  const f32 = (begin: number, end: number, shape: unknown = [1]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  });
  it.each<[string, unknown, number, string]>([
    ['an empty object with data', {}, 4, 'belongs to none'],
    ['a list', [], 0, "must begin with '{'"],
    ['broken JSON', '{"a":', 0, 'expected a value, found the end of the text'],
    [
      'a tensor named twice',
      `{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(0, 4))}}`,
      4,
      'twice',
    ],
    ['an unknown dtype', { a: { ...f32(0, 4), dtype: 'F33' } }, 4, 'unknown dtype "F33"'],
    ['a tensor that is no object', { a: 5 }, 0, 'expected an object, found 5'],
    ['a negative size', { a: f32(0, 4, [-1]) }, 4, 'shape must be'],
    ['a fractional size', { a: f32(0, 4, [1.5]) }, 4, 'shape must be'],
    ['a shape that overflows', { a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4, 'more bytes than 2^53'],
    ['sizes that contradict the range', { a: f32(0, 4, [2]) }, 4, 'needs 8 bytes'],
    ['a reversed range', { a: f32(4, 0) }, 4, 'begin <= end'],
    ['three offsets', { a: { ...f32(0, 4), data_offsets: [0, 4, 4] } }, 4, '[begin, end]'],
    ['a range beyond the file', { a: f32(0, 4) }, 3, 'but the file has'],
    ['overlapping tensors', { a: f32(0, 8, [2]), b: f32(4, 8) }, 8, 'overlaps'],
    ['a gap', { a: f32(0, 4), b: f32(8, 12) }, 12, 'gap'],
    ['metadata that is no text', { __metadata__: { a: 1 } }, 0, '__metadata__["a"] must be a text, found 1'],
  ])('refuses %s', (_, header, dataBytes, problem) => {
    const message = refusal(fileWith(header, dataBytes));
    expect(message).toContain(problem);
    expect(message).toContain('case.safetensors');
  });

  it.each([5n, 100n, 2n ** 53n, 2n ** 64n - 1n])('refuses a header that claims %s bytes', (length) => {
    expect(refusal(fileWith('{}', 0, length))).toMatch(/claims \d+ bytes/);
  });

  it('refuses invalid UTF-8, short files, folders and missing files', () => {
    const path = join(folder, 'case.safetensors');
    writeFileSync(path, Buffer.from([4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x7d]));
    expect(refusal(path)).toContain('not valid UTF-8: bytes ff7d (hex) at byte offset 2');
    writeFileSync(path, 'abc');
    expect(refusal(path)).toContain('has 3 bytes');
    expect(refusal(folder)).toContain('is a folder');
    expect(refusal(join(folder, 'none'))).toContain('does not exist');
  });

  it('keeps names such as __proto__ as tensors', () => {
    const path = fileWith(`{"__proto__":${JSON.stringify(f32(0, 4))}}`, 4);
    expect([...readSafetensorsHeader(path).tensors.keys()]).toEqual(['__proto__']);
  });
});

const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index % 251);
const tensor = (name: string, dtype: TensorInput['dtype'], shape: number[], length: number): TensorInput => ({
  name,
  dtype,
  shape,
  bytes: () => bytesOf(length),
});

describe('writeSafetensors', () => {
  it('round-trips tensors, metadata and bytes, each tensor aligned', () => {
    const path = join(folder, 'round-trip.safetensors');
    const inputs = [
      tensor('odd.bool', 'bool', [3], 3),
      tensor('名', 'bfloat16', [2, 3], 12),
      tensor('scalar', 'float64', [], 8),
      tensor('empty', 'int64', [0, 7], 0),
      { ...tensor('pieces', 'float32', [4], 16), bytes: () => [bytesOf(10), bytesOf(6)] },
    ];
    writeSafetensors(path, inputs, { format: 'pt', 注: '"quoted"' });
    const file = readSafetensorsHeader(path);
    expect(file.metadata).toEqual({ format: 'pt', 注: '"quoted"' });
    expect(file.dataStart % 8).toBe(0);
    expect(file.tensors.size).toBe(inputs.length);
    const content = readFileSync(path);
    for (const input of inputs) {
      const entry = file.tensors.get(input.name);
      expect(entry).toMatchObject({ dtype: input.dtype, shape: input.shape });
      const bytes = input.bytes();
      const expected = Buffer.concat(bytes instanceof Uint8Array ? [bytes] : [...bytes]);
      expect(content.subarray(entry?.byteStart, entry?.byteEnd)).toEqual(expected);
    }
  });

  it('leaves the old file and nothing else when a tensor fails', () => {
    const path = join(folder, 'kept', 'model.safetensors');
    mkdirSync(join(folder, 'kept'));
    writeSafetensors(path, [tensor('a', 'uint8', [2], 2)]);
    const before = readFileSync(path);
    expect(() => writeSafetensors(path, [tensor('a', 'uint8', [2], 3)])).toThrow('needs 2 bytes, got 3');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(join(folder, 'kept'))).toEqual(['model.safetensors']);
  });

  it('refuses two tensors of one name', () => {
    const twice = [tensor('a', 'int8', [1], 1), tensor('a', 'int8', [1], 1)];
    expect(() => writeSafetensors(join(folder, 'twice.safetensors'), twice)).toThrow(
      'Two tensors are named "a"',
    );
  });
});

describe('sharded models', () => {
  it('opens the golden shards through their index', () => {
    const model = openSafetensorsModel(join(GOLDEN, 'xverse', 'sharded'));
    const whole = openSafetensorsModel(join(GOLDEN, 'xverse'));
    expect(model.files).toHaveLength(3);
    expect(model.surplus).toEqual([]);
    for (const [name, { dtype, shape }] of whole.tensors) {
      expect(model.tensors.get(name), name).toMatchObject({ dtype, shape });
    }
  });

  it('writes shards that open as one model, or one file if it fits', () => {
    const path = join(folder, 'shards');
    const inputs = ['a', 'b', 'c', 'd'].map((name) => tensor(name, 'float32', [2], 8));
    expect(writeSafetensorsModel(path, inputs, { maxShardBytes: 16 })).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    const model = openSafetensorsModel(path);
    expect([...model.tensors.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect(model.metadata).toEqual({ format: 'pt' });
    expect(model.tensors.get('d')?.file).toBe(join(path, 'model-00002-of-00002.safetensors'));
    expect(writeSafetensorsModel(join(folder, 'single'), inputs)).toEqual(['model.safetensors']);
  });

  it('reports tensors that the index does not name', () => {
    const path = join(folder, 'surplus');
    writeSafetensorsModel(
      path,
      ['a', 'b'].map((name) => tensor(name, 'int8', [1], 1)),
      { maxShardBytes: 1 },
    );
    const index = { weight_map: { a: 'model-00001-of-00002.safetensors' } };
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify(index));
    expect(readSafetensorsIndex(path).surplus).toEqual([]);
    writeSafetensors(join(path, 'model-00001-of-00002.safetensors'), [
      tensor('a', 'int8', [1], 1),
      tensor('extra', 'int8', [1], 1),
    ]);
    expect(readSafetensorsIndex(path).surplus.map((entry) => entry.name)).toEqual(['extra']);
  });

  it.each<[string, unknown, string]>([
    ['no weight_map', { metadata: {} }, 'no object "weight_map"'],
    ['a shard that is no text', { weight_map: { a: 3 } }, 'weight_map["a"] must be the name'],
    ['a shard in the parent', { weight_map: { a: '../x.safetensors' } }, 'inside the folder'],
    ['a hidden way out', { weight_map: { a: 'b/../../x.safetensors' } }, 'inside the folder'],
    ['an absolute shard', { weight_map: { a: '/etc/x.safetensors' } }, 'inside the folder'],
    ['a missing shard', { weight_map: { a: 'x.safetensors' } }, 'is missing, but'],
    ['a tensor its shard does not hold', { weight_map: { a: 'there.safetensors' } }, 'does not hold it'],
  ])('refuses an index with %s', (_, index, problem) => {
    const path = join(folder, 'index');
    mkdirSync(path, { recursive: true });
    writeSafetensors(join(path, 'there.safetensors'), [tensor('b', 'int8', [1], 1)]);
    writeFileSync(join(path, 'model.safetensors.index.json'), JSON.stringify(index));
    expect(() => readSafetensorsIndex(path)).toThrow(InputError);
    expect(() => readSafetensorsIndex(path)).toThrow(problem);
  });

  it('refuses an empty folder and one with several files', () => {
    const path = join(folder, 'several');
    mkdirSync(path);
    expect(() => openSafetensorsModel(path)).toThrow('found none');
    for (const name of ['a', 'b']) writeSafetensors(join(path, `${name}.safetensors`), []);
    expect(() => openSafetensorsModel(path)).toThrow('found a.safetensors, b.safetensors');
  });
});

describe('metadata of null', () => {
  const path = sharedCases('checkpoints/metadata_null/model.safetensors');
  const shared = requires(path !== undefined, '../shared/cases is absent');

  it('the file that once was called damaged is read as without metadata', shared, () => {
    const bytes = readFileSync(path ?? '');
    const length = Number(bytes.readBigUInt64LE(0));
    const { __metadata__, ...tensors } = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    expect(__metadata__).toBeNull();
    const file = readSafetensorsHeader(path ?? '');
    expect(file.metadata).toEqual(readSafetensorsHeader(fileWith({})).metadata);
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
    // The same tensors under a header without the key.
    const plain = fileWith(tensors, bytes.length - 8 - length);
    expect([...readSafetensorsHeader(plain).tensors.values()].map(({ shape }) => shape)).toEqual(
      [...file.tensors.values()].map(({ shape }) => shape),
    );
  });

  it('null beside tensors and alone; anything else that is no map of texts is refused', () => {
    const tensor = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
    expect(readSafetensorsHeader(fileWith({ __metadata__: null })).tensors.size).toBe(0);
    expect(readSafetensorsHeader(fileWith({ __metadata__: null, a: tensor }, 4)).tensors.size).toBe(1);
    for (const metadata of [false, 0, '', [], { a: null }])
      expect(refusal(fileWith({ __metadata__: metadata }))).toContain('metadata');
  });
});
