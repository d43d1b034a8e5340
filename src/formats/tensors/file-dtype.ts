/** Element types of tensor files under our names, with their names in safetensors and their bytes per element. */
const DTYPES = [
  ['float64', 'F64', 8],
  ['float32', 'F32', 4],
  ['float16', 'F16', 2],
  ['bfloat16', 'BF16', 2],
  ['float8_e4m3fn', 'F8_E4M3', 1],
  ['float8_e5m2', 'F8_E5M2', 1],
  ['int64', 'I64', 8],
  ['int32', 'I32', 4],
  ['int16', 'I16', 2],
  ['int8', 'I8', 1],
  ['uint64', 'U64', 8],
  ['uint32', 'U32', 4],
  ['uint16', 'U16', 2],
  ['uint8', 'U8', 1],
  ['bool', 'BOOL', 1],
] as const;

export type FileDtype = (typeof DTYPES)[number][0];
export type SafetensorsDtype = (typeof DTYPES)[number][1];

const BY_SAFETENSORS_NAME: ReadonlyMap<unknown, FileDtype> = new Map(
  DTYPES.map(([ours, theirs]) => [theirs, ours]),
);
const BY_OUR_NAME = new Map(DTYPES.map(([ours, theirs, bytes]) => [ours, { theirs, bytes }]));

/** Our name for "F32", "BF16", …; undefined for anything else. */
export function fromSafetensorsDtype(name: unknown): FileDtype | undefined {
  return BY_SAFETENSORS_NAME.get(name);
}

export function toSafetensorsDtype(dtype: FileDtype): SafetensorsDtype {
  return entryOf(dtype).theirs;
}

/** Bytes per element. */
export function dtypeBytes(dtype: FileDtype): number {
  return entryOf(dtype).bytes;
}

/** Every dtype name that safetensors files may use here, for messages. */
export function safetensorsDtypeNames(): string {
  return DTYPES.map(([, theirs]) => theirs).join(', ');
}

function entryOf(dtype: FileDtype): { theirs: SafetensorsDtype; bytes: number } {
  const entry = BY_OUR_NAME.get(dtype);
  if (entry === undefined) throw new RangeError(`Unknown dtype ${String(dtype)}.`);
  return entry;
}

/** The product of the sizes; undefined beyond 2^53 - 1. A scalar ([]) has one element. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}
