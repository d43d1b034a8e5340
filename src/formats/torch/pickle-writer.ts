/** Values to pickles of protocol 2, as torch.save writes them and `torch.load(weights_only=True)` reads them. */

/** A value to pickle; `Leaf` is what the caller writes by opcodes of its own (tensors). */
export type PickleInput<Leaf> =
  | null
  | boolean
  /** Integers become int, others float. */
  | number
  | bigint
  | string
  | Uint8Array
  /** A list. */
  | readonly PickleInput<Leaf>[]
  /** A dict. */
  | ReadonlyMap<PickleInput<Leaf>, PickleInput<Leaf>>
  | TupleInput<Leaf>
  | FloatInput
  | Leaf;

export interface TupleInput<Leaf> {
  readonly kind: 'tuple';
  readonly items: readonly PickleInput<Leaf>[];
}

/** A float whose value is integral, such as a learning rate of 1. */
export interface FloatInput {
  readonly kind: 'float';
  readonly value: number;
}

/** Entries between two SETITEMS or APPENDS, as Python's pickler has them. */
const BATCH = 1000;

/** Writes one pickle; `writeLeaf` writes what is no plain value. */
export class PickleWriter<Leaf extends { readonly kind: string }> {
  readonly #chunks: Uint8Array[] = [];
  /** Texts and globals that were written, by their place in the memo. */
  readonly #memo = new Map<string, number>();

  constructor(readonly writeLeaf: (leaf: Leaf, writer: PickleWriter<Leaf>, path: string) => void) {}

  /** The pickle of the one value that `writeContent` writes. */
  pickle(writeContent: (writer: PickleWriter<Leaf>) => void): Uint8Array {
    this.#op('\x80\x02');
    writeContent(this);
    this.#op('.');
    return Buffer.concat(this.#chunks);
  }

  /** @param path of the value within the whole, for the names of tensors */
  value(value: PickleInput<Leaf>, path: string): void {
    if (value === null) this.#op('N');
    else if (typeof value === 'boolean') this.#op(value ? '\x88' : '\x89');
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'string') this.text(value);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else if (isList(value)) this.#list(value, path);
    else if (isMap(value)) this.#dict(value, path);
    else if (isTuple(value)) this.tuple(value.items, path);
    else if (isFloat(value)) this.#float(value.value);
    else this.writeLeaf(value, this, path);
  }

  /** A class or function, "module" and "name" apart. */
  global(module: string, name: string): void {
    this.#remembered(`c${module}\n${name}\n`, () => this.#op(`c${module}\n${name}\n`));
  }

  text(text: string): void {
    this.#remembered(`X${text}`, () => {
      const bytes = Buffer.from(text);
      const head = Buffer.alloc(5, 'X');
      head.writeUInt32LE(bytes.length, 1);
      this.#chunks.push(head, bytes);
    });
  }

  tuple(items: readonly PickleInput<Leaf>[], path = ''): void {
    if (items.length > 3) this.#op('(');
    for (const [index, item] of items.entries()) this.value(item, join(path, index));
    this.#op([')', '\x85', '\x86', '\x87'][items.length] ?? 't');
  }

  /** Marks; then `items` are pushed; then they are one tuple. */
  tupleOf(pushItems: () => void): void {
    this.#op('(');
    pushItems();
    this.#op('t');
  }

  /** The tuple on the stack is a persistent id. */
  persistentId(): void {
    this.#op('Q');
  }

  /** Calls the global below the tuple on the stack with it. */
  reduce(): void {
    this.#op('R');
  }

  /** Sets entries of the dict on the stack. */
  setItems(entries: Iterable<readonly [PickleInput<Leaf>, PickleInput<Leaf>]>, path: string): void {
    this.#batches(entries, 'u', ([key, value]) => {
      this.value(key, path);
      this.value(value, join(path, key));
    });
  }

  #list(items: readonly PickleInput<Leaf>[], path: string): void {
    this.#op(']');
    this.#batches(items.entries(), 'e', ([index, item]) => this.value(item, join(path, index)));
  }

  #dict(entries: ReadonlyMap<PickleInput<Leaf>, PickleInput<Leaf>>, path: string): void {
    this.#op('}');
    this.setItems(entries, path);
  }

  #batches<Item>(items: Iterable<Item>, close: string, write: (item: Item) => void): void {
    let open = 0;
    for (const item of items) {
      if (open === 0) this.#op('(');
      write(item);
      open++;
      if (open === BATCH) {
        this.#op(close);
        open = 0;
      }
    }
    if (open > 0) this.#op(close);
  }

  #number(value: number): void {
    if (!Number.isInteger(value) || Object.is(value, -0)) this.#float(value);
    else if (!Number.isSafeInteger(value)) this.#bigint(BigInt(value));
    else if (value >= 0 && value < 0x100) this.#op('K', value);
    else if (value >= 0 && value < 0x10000) this.#op('M', value & 0xff, value >> 8);
    else if (value >= -(2 ** 31) && value < 2 ** 31) {
      const bytes = Buffer.alloc(5, 'J');
      bytes.writeInt32LE(value, 1);
      this.#chunks.push(bytes);
    } else this.#bigint(BigInt(value));
  }

  #float(value: number): void {
    const bytes = Buffer.alloc(9, 'G');
    bytes.writeDoubleBE(value, 1);
    this.#chunks.push(bytes);
  }

  /** LONG1: two's complement, little-endian, at most 255 bytes. */
  #bigint(value: bigint): void {
    let length = 1;
    while (BigInt.asIntN(8 * length, value) !== value) length++;
    if (length > 255) throw new RangeError(`An integer of ${length} bytes is not written.`);
    const hex = BigInt.asUintN(8 * length, value)
      .toString(16)
      .padStart(2 * length, '0');
    this.#op('\x8a', length);
    this.#chunks.push(Buffer.from(hex, 'hex').reverse());
  }

  /** Protocol 2 has no bytes: they are a text of Latin-1, encoded when read. */
  #bytes(value: Uint8Array): void {
    this.global('_codecs', 'encode');
    this.tuple([Buffer.from(value).toString('latin1'), 'latin1']);
    this.reduce();
  }

  /** Writes and memoises on the first time, recalls later. */
  #remembered(key: string, write: () => void): void {
    const known = this.#memo.get(key);
    if (known !== undefined) {
      this.#indexed('h', 'j', known);
      return;
    }
    write();
    this.#indexed('q', 'r', this.#memo.size);
    this.#memo.set(key, this.#memo.size);
  }

  #indexed(short: string, long: string, index: number): void {
    if (index < 0x100) this.#op(short, index);
    else {
      const bytes = Buffer.alloc(5, long);
      bytes.writeUInt32LE(index, 1);
      this.#chunks.push(bytes);
    }
  }

  #op(opcode: string, ...bytes: number[]): void {
    this.#chunks.push(Buffer.concat([Buffer.from(opcode, 'latin1'), Buffer.from(bytes)]));
  }
}

function join(path: string, key: unknown): string {
  const last = typeof key === 'string' || typeof key === 'number' ? String(key) : '?';
  return path === '' ? last : `${path}.${last}`;
}

function isList<Leaf>(value: PickleInput<Leaf>): value is readonly PickleInput<Leaf>[] {
  return Array.isArray(value);
}

function isMap<Leaf>(value: PickleInput<Leaf>): value is ReadonlyMap<PickleInput<Leaf>, PickleInput<Leaf>> {
  return value instanceof Map;
}

function isTuple<Leaf>(value: PickleInput<Leaf>): value is TupleInput<Leaf> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tuple';
}

function isFloat<Leaf>(value: PickleInput<Leaf>): value is FloatInput {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'float';
}
