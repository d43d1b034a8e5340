/** Typed access to the nested dicts of DeepSpeed's torch files. */
import { InputError } from '../errors/index.js';
import {
  type FileTensor,
  isDict,
  isKind,
  isTensor,
  type PickleDict,
  type PickleValue,
  pickleTypeName,
  readTorchFile,
  sequenceItems,
  type TorchFile,
} from '../formats/index.js';
import type { FlatVector } from './flat-vector.js';

/** A dict within one of DeepSpeed's torch files, whose entries are asked for by the type that they must have. */
export class TrainingStateDict {
  /** @param location keys that lead to the dict, for messages; "" for the file's own */
  constructor(
    readonly file: TorchFile,
    readonly dict: PickleDict,
    readonly location: string,
  ) {}

  static open(path: string): TrainingStateDict {
    const file = readTorchFile(path);
    if (isDict(file.root)) return new TrainingStateDict(file, file.root, '');
    throw new InputError(
      `${path} holds ${pickleTypeName(file.root)}, not a dict of states as DeepSpeed writes.`,
    );
  }

  /** Undefined where the key is missing or None. */
  get(key: string): PickleValue | undefined {
    return this.dict.entries.get(key) ?? undefined;
  }

  /** An inner dict; undefined where the key is missing or None. */
  inner(key: string): TrainingStateDict | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    return isDict(value)
      ? new TrainingStateDict(this.file, value, this.#path(key))
      : this.#fail(key, 'a dict', value);
  }

  /** An inner dict that must be there. */
  required(key: string): TrainingStateDict {
    return this.inner(key) ?? this.#fail(key, 'a dict', undefined);
  }

  /** A list or tuple. */
  list(key: string): readonly PickleValue[] {
    const value = this.get(key);
    return sequenceItems(value) ?? this.#fail(key, 'a list', value);
  }

  /** Tensors of one dimension, one after the other as one vector each. */
  vectors(key: string): FlatVector[] {
    return this.list(key).map((value, index) => {
      if (!isTensor(value)) return this.#fail(`${key}[${index}]`, 'a tensor', value);
      return this.#vector(this.file.fileTensor(value, `${this.#path(key)}[${index}]`));
    });
  }

  /** The tensor of that name as a vector. */
  vector(key: string): FlatVector {
    const value = this.get(key);
    if (!isTensor(value)) return this.#fail(key, 'a tensor', value);
    return this.#vector(this.file.fileTensor(value, this.#path(key)));
  }

  /** Shapes (torch.Size) by name, in their order. */
  shapes(): Map<string, readonly number[]> {
    return new Map(
      this.#named().map(([name, value]) => {
        const sizes = sequenceItems(value);
        if (sizes?.every(isSize)) return [name, sizes];
        return this.#fail(name, 'a shape', value);
      }),
    );
  }

  /** The tensors among the entries, by name. */
  tensors(): Map<string, FileTensor> {
    return new Map(
      this.#named().flatMap(([name, value]) =>
        isTensor(value) ? [[name, this.file.fileTensor(value, name)]] : [],
      ),
    );
  }

  /** Texts by name. */
  texts(): [string, string][] {
    return this.#named().map(([name, value]) =>
      typeof value === 'string' ? [name, value] : this.#fail(name, 'a name', value),
    );
  }

  /** A number, or an enum of numbers, which its pickle makes from one. */
  integer(key: string): number | undefined {
    const value = this.get(key);
    if (value === undefined) return undefined;
    const number = isKind(value) && value.kind === 'object' ? value.args[0] : value;
    return typeof number === 'number' ? number : this.#fail(key, 'a number', value);
  }

  #named(): [string, PickleValue][] {
    return [...this.dict.entries].map(([name, value]) => {
      if (typeof name === 'string') return [name, value];
      throw new InputError(
        `${this.file.path}: ${this.location} has the key ${pickleTypeName(name)}, not a name.`,
      );
    });
  }

  #vector({ name, dtype, shape, ranges, strides }: FileTensor): FlatVector {
    if (strides !== undefined)
      throw new InputError(
        `${this.file.path}: ${name} does not lie in one piece; save the checkpoint again.`,
      );
    return { dtype, ranges, count: shape.reduce((product, size) => product * size, 1) };
  }

  #path(key: string): string {
    return this.location === '' ? key : `${this.location}.${key}`;
  }

  #fail(key: string, wanted: string, found: PickleValue | undefined): never {
    throw new InputError(
      `${this.file.path}: ${this.#path(key)} should be ${wanted}, found ${pickleTypeName(found)}; ` +
        'it is not the file of a ZeRO checkpoint that DeepSpeed wrote, or a damaged one.',
    );
  }
}

function isSize(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
