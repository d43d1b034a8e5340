/** Damaged copies of valid files, for fuzz tests of readers. */
import fc from 'fast-check';

interface Mutation {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Bytes that make lengths and counts lie, beside arbitrary ones. */
const replacement = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2 }),
  fc.constantFrom(
    Uint8Array.of(0),
    Uint8Array.of(255),
    Uint8Array.of(0x80),
    Uint8Array.of(255, 255, 255, 255),
    Uint8Array.of(255, 255, 255, 127),
    Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 255),
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128),
    Uint8Array.of(0, 0, 0, 0, 1),
  ),
);

/**
 * Copies of `valid` with up to four places changed, cut off or with bytes added. `hot` is the part (from the start)
 * where most changes fall: headers tell more than data.
 */
export function mutated(valid: Buffer, hot = valid.length): fc.Arbitrary<Buffer> {
  const place = fc.oneof(
    { weight: 4, arbitrary: fc.nat(Math.max(0, hot - 1)) },
    { weight: 1, arbitrary: fc.nat(Math.max(0, valid.length - 1)) },
  );
  const change: fc.Arbitrary<Mutation> = fc.record({ at: place, bytes: replacement });
  const length = fc.oneof(
    { weight: 6, arbitrary: fc.constant(valid.length) },
    { weight: 2, arbitrary: fc.nat(valid.length + 16) },
  );
  return fc.tuple(fc.array(change, { maxLength: 4 }), length).map(([changes, size]) => {
    const copy = Buffer.alloc(size);
    valid.copy(copy);
    for (const { at, bytes } of changes)
      copy.set(bytes.subarray(0, Math.max(0, size - at)), Math.min(at, size));
    return copy;
  });
}
