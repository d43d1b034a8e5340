/** Names of dtypes and numbers of protobuf fields in MindSpore checkpoints. */
import type { FileDtype } from '../tensors/file-dtype.js';

/** Element types of a MindSpore checkpoint: our name, and the name in its field tensor_type. */
const TYPES = [
  ['float64', 'Float64'],
  ['float32', 'Float32'],
  ['float16', 'Float16'],
  ['bfloat16', 'BFloat16'],
  ['int64', 'Int64'],
  ['int32', 'Int32'],
  ['int16', 'Int16'],
  ['int8', 'Int8'],
  ['uint64', 'UInt64'],
  ['uint32', 'UInt32'],
  ['uint16', 'UInt16'],
  ['uint8', 'UInt8'],
  ['bool', 'Bool'],
] as const satisfies readonly (readonly [FileDtype, string])[];

const OURS: ReadonlyMap<string, FileDtype> = new Map(TYPES.map(([ours, theirs]) => [theirs, ours]));
const THEIRS: ReadonlyMap<FileDtype, string> = new Map(TYPES);

/** Our name of "Float32", "BFloat16", …; undefined for anything else. */
export function fromCkptType(name: string): FileDtype | undefined {
  return OURS.get(name);
}

/** MindSpore's name of a dtype; undefined where it has none. */
export function toCkptType(dtype: FileDtype): string | undefined {
  return THEIRS.get(dtype);
}

/** Every type name that can be read, for messages. */
export function ckptTypeNames(): string {
  return TYPES.map(([, theirs]) => theirs).join(', ');
}

/** The message fields of the format: Checkpoint { repeated Value value }, Value { tag, tensor }, TensorProto. */
export const CKPT_FIELDS = {
  checkpoint: { value: 1 },
  value: { tag: 1, tensor: 2, mapTensor: 3 },
  tensor: { dims: 1, type: 2, content: 3 },
} as const;

/** Before the ten bytes (big-endian) of the CRC-32 of all that stands before, at the end of a file, if it has one. */
export const CRC_MARK = 'crc_num';
export const CRC_BYTES = CRC_MARK.length + 10;
