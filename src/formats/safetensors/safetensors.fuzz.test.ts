import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { dtypeBytes, elementCount, readSafetensorsIndex, writeSafetensors } from '../index.js';
import { parseSafetensorsHeader } from './safetensors-reader.js';

let folder = '';
let path = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'safetensors-fuzz-'));
  path = join(folder, 'fuzz.safetensors');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Accepted files must hold what the reader promises; refused ones must be refused with an InputError. */
function readsOrRefuses(bytes: Uint8Array): void {
  const buffer = Buffer.from(bytes);
  const read = (offset: number, length: number) => buffer.subarray(offset, offset + length);
  try {
    const file = parseSafetensorsHeader({ path: 'fuzz.safetensors', size: bytes.length, read });
    let reached = file.dataStart;
    for (const { name, byteStart, byteEnd, dtype, shape } of file.tensors.values()) {
      const bytes = elementCount([...shape, dtypeBytes(dtype)]);
      if (byteStart !== reached || byteEnd - byteStart !== bytes)
        throw new Error(`accepted a false tensor ${name}`);
      reached = byteEnd;
    }
    if (reached !== bytes.length) throw new Error(`accepted ${bytes.length - reached} bytes of no tensor`);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const { message } = error;
    if (!message.includes('fuzz.safetensors') || message.length > 1000)
      throw new Error(`poor message: ${message}`);
  }
}

function withHeader(header: string | Uint8Array, dataBytes: number, lie = 0n): Uint8Array {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt.asUintN(64, BigInt(json.length) + lie));
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]);
}

const integer = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 16 }) },
  fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e300, null, '4', true),
);
const entry = fc.record(
  {
    dtype: fc.constantFrom('F32', 'BF16', 'U8', 'I64', 'BOOL', 'F33', 4, null),
    shape: fc.oneof(fc.array(integer, { maxLength: 4 }), fc.constantFrom(null, 3, {})),
    data_offsets: fc.oneof(fc.tuple(integer, integer), fc.array(integer, { maxLength: 3 })),
  },
  { requiredKeys: [] },
);
const key = fc.oneof(fc.constantFrom('a', 'b', '__metadata__', '__proto__', 'constructor', ''), fc.string());

describe('fuzz: readSafetensorsHeader', () => {
  it('stands headers that lie about lengths, shapes and offsets', () => {
    const lie = fc.oneof(
      { weight: 5, arbitrary: fc.constant(0n) },
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
    );
    const header = fc.dictionary(key, fc.oneof({ weight: 4, arbitrary: entry }, fc.jsonValue()));
    fc.assert(
      fc.property(header, fc.nat(64), lie, (fields, dataBytes, delta) =>
        readsOrRefuses(withHeader(JSON.stringify(fields), dataBytes, delta)),
      ),
      { numRuns: 4000 },
    );
  });

  it('stands random bytes, as a file and as a header', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, asHeader) =>
        readsOrRefuses(asHeader ? withHeader(bytes, 0) : bytes),
      ),
      { numRuns: 3000 },
    );
  });

  it('stands valid files with bytes changed, cut off or added', () => {
    writeSafetensors(
      path,
      (['float32', 'bfloat16', 'bool'] as const).map((dtype, index) => ({
        name: `layer.${index}`,
        dtype,
        shape: [2, index + 1],
        bytes: () => new Uint8Array(2 * (index + 1) * dtypeBytes(dtype)),
      })),
      { format: 'pt' },
    );
    const valid = readFileSync(path);
    const change = fc.record({ at: fc.nat(valid.length - 1), value: fc.nat(255) });
    const length = fc.oneof(fc.constant(valid.length), fc.nat(valid.length + 8));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), length, (changes, size) => {
        const bytes = Buffer.alloc(size);
        valid.copy(bytes);
        for (const { at, value } of changes) if (at < size) bytes[at] = value;
        readsOrRefuses(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  it('stands deep nesting', () => {
    for (const open of ['[', '{"a":']) readsOrRefuses(withHeader(`{"x":${open.repeat(200_000)}`, 0));
    readsOrRefuses(withHeader(`{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 0));
  });
});

describe('fuzz: readSafetensorsIndex', () => {
  it('stands faulty indices', () => {
    const index = join(folder, 'model.safetensors.index.json');
    const shard = fc.oneof(
      fc.constantFrom('a.safetensors', '../a.safetensors', '', '.', '\0'),
      fc.jsonValue(),
    );
    const content = fc.oneof(
      fc.record({ weight_map: fc.oneof(fc.dictionary(key, shard), fc.jsonValue()) }),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          content.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (text) => {
          writeFileSync(index, text);
          try {
            readSafetensorsIndex(index);
          } catch (error) {
            if (!(error instanceof InputError)) throw error;
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
