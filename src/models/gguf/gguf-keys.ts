/** Typed access to the metadata of a GGUF, with messages that name file, key and value. */
import { InputError } from '../../errors/index.js';
import { type GgufModel, type GgufValue, showValue } from '../../formats/index.js';

export class GgufKeys {
  readonly path: string;
  readonly #metadata: ReadonlyMap<string, GgufValue>;
  readonly #read = new Set<string>();

  constructor({ path, metadata }: Pick<GgufModel, 'path' | 'metadata'>) {
    this.path = path;
    this.#metadata = metadata;
  }

  has(key: string): boolean {
    return this.#metadata.has(key);
  }

  wasRead(key: string): boolean {
    return this.#read.has(key);
  }

  /** Keys that nobody asked for yet. */
  unread(): string[] {
    return [...this.#metadata.keys()].filter((key) => !this.#read.has(key));
  }

  /** Counts as read. */
  ignore(key: string): void {
    this.#read.add(key);
  }

  fail(problem: string): never {
    throw new InputError(`${this.path}: ${problem}`);
  }

  text(key: string): string | undefined {
    const value = this.#value(key);
    if (value === undefined || value.type === 'string') return value?.value;
    return this.#mismatch(key, 'a text', value);
  }

  flag(key: string): boolean | undefined {
    const value = this.#value(key);
    if (value === undefined || value.type === 'bool') return value?.value;
    return this.#mismatch(key, 'true or false', value);
  }

  /** A whole number from 0. */
  count(key: string): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const number = numberOf(value);
    if (number !== undefined && Number.isSafeInteger(number) && number >= 0) return number;
    return this.#mismatch(key, 'a whole number from 0', value);
  }

  /** A whole number, or a list of one for each layer, which must all be the same. */
  sameForAll(key: string): number | undefined {
    const value = this.#value(key);
    if (value?.type !== 'array') return this.count(key);
    const numbers = [...new Set(value.value.map((item) => Number(item)))];
    const [number] = numbers;
    if (number === undefined || !Number.isSafeInteger(number) || number < 0)
      return this.#mismatch(key, 'whole numbers from 0', value);
    if (numbers.length > 1)
      this.fail(
        `${key} differs between layers (${numbers.slice(0, 5).join(', ')}); models whose layers differ in size are not read here.`,
      );
    return number;
  }

  /** A float32 is given as the shortest number that rounds to it: 1e-5, not 9.999999747378752e-6. */
  real(key: string): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const number = numberOf(value);
    if (number === undefined || !Number.isFinite(number)) return this.#mismatch(key, 'a number', value);
    return value.type === 'float32' ? shortestFloat32(number) : number;
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (value.type === 'array' && value.itemType === 'string') return value.value;
    return this.#mismatch(key, 'a list of texts', value);
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (value.type === 'array' && value.itemType !== 'array' && value.itemType !== 'string') {
      const numbers = value.value.map(Number);
      if (numbers.every((number) => Number.isFinite(number))) return numbers;
    }
    return this.#mismatch(key, 'a list of numbers', value);
  }

  #value(key: string): GgufValue | undefined {
    this.#read.add(key);
    return this.#metadata.get(key);
  }

  #mismatch(key: string, wanted: string, value: GgufValue): never {
    const found =
      value.type === 'array' ? `a list of ${value.value.length}` : `${value.type} ${showValue(value.value)}`;
    return this.fail(`${key} must be ${wanted}, found ${found}.`);
  }
}

function numberOf(value: GgufValue): number | undefined {
  switch (value.type) {
    case 'string':
    case 'bool':
    case 'array':
      return undefined;
    case 'uint64':
    case 'int64':
      return Number(value.value);
    default:
      return value.value;
  }
}

/** The shortest decimal whose nearest float32 is `value`. */
export function shortestFloat32(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
