import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { dtypeBytes, elementCount } from '../tensors/file-dtype.js';
import { PickleWriter } from './pickle-writer.js';
import { parseTorchFile } from './torch-reader.js';
import { type TensorLeaf, type TorchInput, writeTorchValue } from './torch-writer.js';
import { ZipWriter } from './zip-writer.js';

/** Accepted files must hold what they say; refused ones must be refused with a short InputError that names the file. */
function readsOrRefuses(content: Uint8Array): void {
  const buffer = Buffer.from(content);
  const read = (offset: number, length: number): Buffer => buffer.subarray(offset, offset + length);
  try {
    const { tensors } = parseTorchFile({ path: 'fuzz.bin', size: buffer.length, read });
    for (const { name, dtype, shape, ranges, strides } of tensors.values()) {
      const held = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
      const needed = elementCount([...shape, dtypeBytes(dtype)]);
      const inside = ranges.every(({ start, end }) => 0 <= start && start <= end && end <= buffer.length);
      if (!inside || needed === undefined || needed > 2 ** 28 || (strides === undefined && held !== needed))
        throw new Error(`accepted a false tensor ${name}: ${dtype} [${shape}] in ${held} bytes`);
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (!error.message.includes('fuzz.bin') || error.message.length > 1000)
      throw new Error(`poor message: ${error.message}`);
  }
}

const tensor = (dtype: 'float32' | 'bool', shape: number[]): TensorLeaf => ({
  kind: 'tensor',
  dtype,
  shape,
  bytes: () => new Uint8Array(shape.reduce((product, size) => product * size, dtypeBytes(dtype))),
});
const weights = tensor('float32', [2, 3]);
const value: TorchInput = new Map<TorchInput, TorchInput>([
  [
    'model',
    new Map([
      ['a', weights],
      ['tied', weights],
      ['b', tensor('bool', [5])],
      ['empty', tensor('float32', [0])],
    ]),
  ],
  [
    'optimizer',
    [1, -1, 2 ** 40, 0.5, 'text', null, true, new Uint8Array(3), { kind: 'tuple', items: [1, 2] }],
  ],
]);

/** An archive around a pickle, with the storages 0 to 2 that `value` has. */
function archive(pickle: Uint8Array): Buffer {
  const chunks: Uint8Array[] = [];
  const zip = new ZipWriter((chunk) => chunks.push(Buffer.from(chunk)));
  const storages = [24, 5, 0].map((size, key): [string, Uint8Array] => [`data/${key}`, new Uint8Array(size)]);
  for (const [name, bytes] of [['data.pkl', pickle] as const, ...storages])
    zip.entry(`archive/${name}`, bytes.length, (write) => write(bytes));
  zip.finish();
  return Buffer.concat(chunks);
}

const plainPickle = (content: TorchInput): Uint8Array =>
  new PickleWriter<TensorLeaf>(() => undefined).pickle((writer) => writer.value(content, ''));
const magicNumber = plainPickle(0x1950a86a20f9469cfc6cn);

/** The legacy format around the same pickle; its storage ids have one item more. */
function legacy(pickle: Uint8Array): Buffer {
  const system = new Map<TorchInput, TorchInput>([['little_endian', true]]);
  const storages = [24, 5, 0].map((size, key) => {
    const bytes = Buffer.alloc(8 + size);
    bytes.writeBigUInt64LE(BigInt(key === 0 ? size / 4 : size));
    return bytes;
  });
  const parts = [
    magicNumber,
    plainPickle(1001),
    plainPickle(system),
    pickle,
    plainPickle(['0', '1', '2']),
    ...storages,
  ];
  return Buffer.concat(parts);
}

let folder = '';
let valid = Buffer.alloc(0);
let pickle = Buffer.alloc(0);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-fuzz-'));
  writeTorchValue(join(folder, 'valid.bin'), value);
  valid = readFileSync(join(folder, 'valid.bin'));
  const start = valid.indexOf('\x80\x02', 0, 'latin1');
  pickle = valid.subarray(start, valid.indexOf('PK\x07\x08', start, 'latin1'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Mutation {
  readonly changes: readonly { readonly at: number; readonly value: number }[];
  readonly cut: number;
}

/** Bytes exchanged at relative places, and a length that is whole two times of three. */
const mutation: fc.Arbitrary<Mutation> = fc.record({
  changes: fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      value: fc.oneof(
        fc.nat(255),
        fc.constantFrom(...Buffer.from('(]}.tulapq0h2Rb\xff\x00\x85\x8a\x93\x95', 'latin1')),
      ),
    }),
    { maxLength: 4 },
  ),
  cut: fc.oneof({ weight: 2, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 1, noNaN: true })),
});

function mutated(bytes: Buffer, { changes, cut }: Mutation): Buffer {
  const copy = Buffer.from(bytes.subarray(0, Math.ceil(bytes.length * cut)));
  for (const { at, value: byte } of changes) if (copy.length > 0) copy[Math.floor(at * copy.length)] = byte;
  return copy;
}

describe('fuzz: readTorchFile', () => {
  it('accepts the files that are changed below', () => {
    for (const bytes of [valid, archive(pickle), legacy(pickle)])
      parseTorchFile({
        path: 'valid',
        size: bytes.length,
        read: (offset, length) => bytes.subarray(offset, offset + length),
      });
  });

  it('stands valid archives with bytes changed or cut off', () => {
    fc.assert(
      fc.property(mutation, (change) => readsOrRefuses(mutated(valid, change))),
      { numRuns: 3000 },
    );
  });

  it('stands changed directories of archives', () => {
    const tail = valid.length - valid.indexOf('PK\x01\x02', 0, 'latin1');
    fc.assert(
      fc.property(mutation, ({ changes }) => {
        const end = mutated(valid.subarray(valid.length - tail), { changes, cut: 1 });
        readsOrRefuses(Buffer.concat([valid.subarray(0, valid.length - tail), end]));
      }),
      { numRuns: 2000 },
    );
  });

  it('stands changed pickles in sound archives and in the legacy format', () => {
    fc.assert(
      fc.property(mutation, fc.boolean(), (change, zipped) =>
        readsOrRefuses(zipped ? archive(mutated(pickle, change)) : legacy(mutated(pickle, change))),
      ),
      { numRuns: 3000 },
    );
  });

  it('stands random opcodes', () => {
    const opcode = fc.constantFrom(
      ...Buffer.from(
        '((((]}}))ttttlleeeuuuaasdd.NKMJGXUBCq\x00q\x01r\x00h\x00h\x01jRRbQPcc012\x80\x85\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96',
        'latin1',
      ),
    );
    const global = fc
      .constantFrom(
        'torch._utils._rebuild_tensor_v2',
        'torch.FloatStorage',
        'collections.OrderedDict',
        'builtins.set',
        'os.system',
      )
      .map((name) => [...Buffer.from(`c${name.replace(/\.(\w+)$/, '\n$1')}\n`)]);
    const part = fc.oneof(
      { weight: 8, arbitrary: opcode.map((code) => [code]) },
      { weight: 1, arbitrary: global },
      { weight: 2, arbitrary: fc.array(fc.nat(255), { maxLength: 9 }) },
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), fc.boolean(), (parts, zipped) => {
        const bytes = Buffer.from(parts.flat());
        readsOrRefuses(zipped ? archive(bytes) : legacy(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it('stands random bytes behind the marks of both formats', () => {
    const marks = [
      Buffer.from('PK\x03\x04'),
      Buffer.from(magicNumber),
      Buffer.from([0x80, 2]),
      Buffer.alloc(0),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...marks), fc.uint8Array({ maxLength: 300 }), (mark, bytes) =>
        readsOrRefuses(Buffer.concat([mark, bytes])),
      ),
      { numRuns: 1000 },
    );
  });
});
