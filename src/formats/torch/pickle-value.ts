/** What our restricted pickle reader gives: inert values, never code and never an instance of a foreign class. */
import type { FileDtype } from '../tensors/file-dtype.js';

/**
 * A value of a pickle. Lists are arrays; integers beyond 2^53 are bigint; an integral float cannot be told from an
 * integer. Values that a pickle shares are one object here too, and a list or dict may hold itself.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | PickleTuple
  | PickleDict
  | PickleSet
  | PickleGlobal
  | PickleObject
  | TorchDevice
  | TorchStorage
  | TorchTensor;

export interface PickleTuple {
  readonly kind: 'tuple';
  readonly items: readonly PickleValue[];
}

/** dict, OrderedDict, defaultdict or Counter. Keys that are tuples are told apart by identity. */
export interface PickleDict {
  readonly kind: 'dict';
  readonly entries: Map<PickleValue, PickleValue>;
  /** Python attributes set on an OrderedDict, such as `_metadata` of a state dict. */
  attributes?: PickleValue;
}

/** set or frozenset. */
export interface PickleSet {
  readonly kind: 'set';
  readonly items: Set<PickleValue>;
}

/** A class, function or dtype that stands as a value of its own, such as torch.bfloat16. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}

/** An instance of a class that is listed as harmless and kept closed: what its pickle says, nothing run. */
export interface PickleObject {
  readonly kind: 'object';
  readonly className: string;
  readonly args: readonly PickleValue[];
  state?: PickleValue;
}

export interface TorchDevice {
  readonly kind: 'device';
  /** "cpu", "cuda:0". */
  readonly name: string;
}

/** Bytes of a torch file that tensors are views of. */
export interface TorchStorage {
  readonly kind: 'storage';
  readonly key: string;
  /** Of the storage; a tensor may read it as another one (untyped storages are uint8). */
  readonly dtype: FileDtype;
  /** Elements in the file. */
  readonly fileCount: number;
  /** First element of the view (legacy files may store views of storages), 0 otherwise. */
  readonly viewStart: number;
  /** Elements of the view, fileCount otherwise. */
  readonly count: number;
}

/** A view of a storage; lies within it. */
export interface TorchTensor {
  readonly kind: 'tensor';
  readonly storage: TorchStorage;
  readonly dtype: FileDtype;
  /** Elements of `dtype` before the first one. */
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  /** torch's negation bit: the values are those of the bytes times -1. */
  readonly isNegated: boolean;
}

export function isDict(value: PickleValue | undefined): value is PickleDict {
  return isKind(value) && value.kind === 'dict';
}

export function isTensor(value: PickleValue | undefined): value is TorchTensor {
  return isKind(value) && value.kind === 'tensor';
}

/** The items of a list or tuple; undefined for anything else. */
export function sequenceItems(value: PickleValue | undefined): readonly PickleValue[] | undefined {
  if (Array.isArray(value)) return value;
  return isKind(value) && value.kind === 'tuple' ? value.items : undefined;
}

type PickleKind = Extract<PickleValue, { readonly kind: string }>;

/** Whether a value is one of those with a `kind`, neither a scalar nor bytes nor a list. */
export function isKind(value: PickleValue | undefined): value is PickleKind {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

/** The Python name of a value's type, for messages. */
export function pickleTypeName(value: PickleValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Uint8Array) return `bytes of length ${value.length}`;
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
      return `the value ${value}`;
    case 'string':
      return `the text ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)}`;
    case 'object':
      return kindName(value);
  }
}

function kindName(value: PickleKind): string {
  switch (value.kind) {
    case 'tuple':
      return `a tuple of ${value.items.length}`;
    case 'dict':
    case 'set':
    case 'device':
    case 'storage':
    case 'tensor':
      return `a ${value.kind}`;
    case 'global':
      return value.name;
    case 'object':
      return `a ${value.className}`;
  }
}
