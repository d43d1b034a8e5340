/** What the first rank of a model tells the others that they compute with it, as whole numbers: one message is one tensor. */
import type { Chunk } from '../engine/model-runner.js';

export type CacheDType = 'int8' | 'float64' | 'float32' | 'bfloat16' | 'float16';

/** `engine`: several engines may work on one model, each with pages of its own. */
export type StepMessage =
  | { readonly kind: 'open'; readonly engine: number; readonly blocks: number; readonly dtype: CacheDType }
  | { readonly kind: 'close'; readonly engine: number }
  /** Tokens of a block that others may look at, a bit each. */
  | { readonly kind: 'mask'; readonly engine: number; readonly block: number; readonly bits: number }
  | { readonly kind: 'copy'; readonly engine: number; readonly from: number; readonly to: number }
  | { readonly kind: 'run'; readonly engine: number; readonly chunks: readonly ToldChunk[] }
  /** Of the hidden states of the last run. */
  | { readonly kind: 'head'; readonly engine: number; readonly rows: readonly number[] }
  | { readonly kind: 'load-adapter'; readonly name: string; readonly path: string }
  | { readonly kind: 'unload-adapter'; readonly name: string };

export interface ToldChunk extends Omit<Chunk, 'adapter'> {
  /** Its place among those that are loaded; -1: the base. */
  readonly adapter: number;
}

const KINDS = ['open', 'close', 'mask', 'copy', 'run', 'head', 'load-adapter', 'unload-adapter'] as const;
const DTYPES: readonly CacheDType[] = ['int8', 'float64', 'float32', 'bfloat16', 'float16'];

export function packMessages(messages: readonly StepMessage[]): Int32Array {
  const words: number[] = [];
  for (const message of messages) pack(message, words);
  return Int32Array.from(words);
}

function pack(message: StepMessage, words: number[]): void {
  words.push(KINDS.indexOf(message.kind));
  switch (message.kind) {
    case 'open':
      words.push(message.engine, message.blocks, DTYPES.indexOf(message.dtype));
      return;
    case 'close':
      words.push(message.engine);
      return;
    case 'mask':
      words.push(message.engine, message.block, message.bits);
      return;
    case 'copy':
      words.push(message.engine, message.from, message.to);
      return;
    case 'run':
      words.push(message.engine, message.chunks.length);
      for (const { ids, position, blocks, length, adapter } of message.chunks) {
        words.push(position, length, adapter);
        packList(ids, words);
        packList(blocks, words);
      }
      return;
    case 'head':
      words.push(message.engine);
      packList(message.rows, words);
      return;
    case 'load-adapter':
      packList(Buffer.from(message.name), words);
      packList(Buffer.from(message.path), words);
      return;
    case 'unload-adapter':
      packList(Buffer.from(message.name), words);
      return;
    default:
      message satisfies never;
  }
}

function packList(values: readonly number[] | Buffer, words: number[]): void {
  words.push(values.length);
  for (const value of values) words.push(value);
}

/** @throws RangeError for words that are no messages */
export function unpackMessages(words: Int32Array): StepMessage[] {
  const reader = new WordReader(words);
  const messages: StepMessage[] = [];
  while (!reader.isAtEnd) messages.push(unpack(reader));
  return messages;
}

function unpack(reader: WordReader): StepMessage {
  const kind = KINDS[reader.next()];
  switch (kind) {
    case 'open': {
      const [engine, blocks] = [reader.next(), reader.next()];
      const dtype = DTYPES[reader.next()];
      if (dtype === undefined) throw new RangeError('a message with a dtype that there is not');
      return { kind, engine, blocks, dtype };
    }
    case 'close':
      return { kind, engine: reader.next() };
    case 'mask':
      return { kind, engine: reader.next(), block: reader.next(), bits: reader.next() };
    case 'copy':
      return { kind, engine: reader.next(), from: reader.next(), to: reader.next() };
    case 'run': {
      const [engine, count] = [reader.next(), reader.next()];
      const chunks = Array.from({ length: count }, (): ToldChunk => {
        const [position, length, adapter] = [reader.next(), reader.next(), reader.next()];
        return { position, length, adapter, ids: reader.list(), blocks: reader.list() };
      });
      return { kind, engine, chunks };
    }
    case 'head':
      return { kind, engine: reader.next(), rows: reader.list() };
    case 'load-adapter':
      return { kind, name: reader.text(), path: reader.text() };
    case 'unload-adapter':
      return { kind, name: reader.text() };
    default:
      kind satisfies undefined;
      throw new RangeError('a message of a kind that there is not');
  }
}

class WordReader {
  readonly #words: Int32Array;
  #place = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  get isAtEnd(): boolean {
    return this.#place === this.#words.length;
  }

  next(): number {
    const word = this.#words[this.#place++];
    if (word === undefined) throw new RangeError('a message that ends too early');
    return word;
  }

  list(): number[] {
    const length = this.next();
    const values = this.#words.subarray(this.#place, this.#place + length);
    this.#place += length;
    if (values.length !== length) throw new RangeError('a message that ends too early');
    return [...values];
  }

  text(): string {
    return Buffer.from(this.list()).toString();
  }
}
