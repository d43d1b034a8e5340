/** Compiles grammars on a thread and hands out token masks. */
import { Worker } from 'node:worker_threads';
import { InputError } from '../../errors/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { compiledModule } from '../../workers/index.js';
import { checkGrammarSize } from './compile-grammar.js';
import type { GrammarSpec } from './grammar-spec.js';
import type { GrammarMessage, GrammarReply } from './grammar-worker.js';
import { MaskBuffer } from './mask-buffer.js';
import type { TokenConstraint } from './token-constraint.js';
import { type TokenVocabulary, tokenVocabulary } from './token-vocabulary.js';

/** A grammar that was found good; for `createConstraint` of the compiler that made it. */
export interface CompiledGrammar {
  /** The spec as JSON. */
  readonly spec: string;
  /** Time that the thread took, waiting for it left out; about 0 if the grammar was kept from before. */
  readonly milliseconds: number;
}

export interface GrammarCompilerOptions {
  /** Ends of a text: allowed where the grammar may end, and nowhere within. */
  readonly stopIds: readonly number[];
  /** Ids that the model gives scores for, where they are more than the tokenizer's. */
  readonly modelVocabSize?: number;
}

/**
 * Grammars and masks for one tokenizer, computed on a thread of their own: while the model works on one token, the
 * thread finds out which may follow. The thread starts with the first grammar.
 */
export class GrammarCompiler {
  readonly #vocabulary: () => TokenVocabulary;
  #thread: GrammarThread | undefined;
  #nextSequence = 0;

  constructor(tokenizer: Tokenizer, { stopIds, modelVocabSize }: GrammarCompilerOptions) {
    this.#vocabulary = () => tokenVocabulary(tokenizer, stopIds, modelVocabSize);
  }

  /** @throws InputError for a spec that is wrong, too large or not supported: the message names the place */
  async compile(spec: GrammarSpec): Promise<CompiledGrammar> {
    checkGrammarSize(spec);
    const text = JSON.stringify(spec);
    const reply = await this.#started().ask((request) => ({ kind: 'compile', request, spec: text }));
    if (reply.kind !== 'compiled') throw new Error(`The grammar thread answered with ${reply.kind}.`);
    return { spec: text, milliseconds: reply.milliseconds };
  }

  /** The constraint of one sequence; its first mask is on its way. To be disposed of. */
  createConstraint(grammar: CompiledGrammar): TokenConstraint {
    return new ThreadedConstraint(this.#started(), this.#nextSequence++, grammar.spec);
  }

  /** What the thread holds: constraints that are not disposed of, and grammars kept for the next request. */
  async count(): Promise<{ constraints: number; grammars: number }> {
    const reply = await this.#started().ask((request) => ({ kind: 'count', request }));
    if (reply.kind !== 'count') throw new Error(`The grammar thread answered with ${reply.kind}.`);
    return { constraints: reply.sequences, grammars: reply.grammars };
  }

  /** Ends the thread; constraints that are left fail. */
  async dispose(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    await thread?.end();
  }

  /** The thread; a new one if the last has died. */
  #started(): GrammarThread {
    if (this.#thread === undefined || this.#thread.failure !== undefined) {
      this.#thread = new GrammarThread(this.#vocabulary());
    }
    return this.#thread;
  }
}

class ThreadedConstraint implements TokenConstraint {
  readonly #thread: GrammarThread;
  readonly #sequence: number;
  readonly #buffer: MaskBuffer;
  #step = 1;
  #isDisposed = false;

  constructor(thread: GrammarThread, sequence: number, spec: string) {
    this.#thread = thread;
    this.#sequence = sequence;
    this.#buffer = MaskBuffer.allocate(thread.vocabSize);
    thread.send({ kind: 'open', sequence, spec, memory: this.#buffer.memory });
  }

  allowed(): Uint32Array {
    if (this.#thread.failure !== undefined) throw this.#thread.failure;
    return this.#buffer.wait(this.#step);
  }

  accept(id: number): void {
    if (this.#isDisposed) throw new Error('The constraint has been disposed of.');
    this.#step += 1;
    this.#thread.send({ kind: 'accept', sequence: this.#sequence, id });
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#thread.send({ kind: 'close', sequence: this.#sequence });
  }
}

class GrammarThread {
  readonly vocabSize: number;
  failure: Error | undefined;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(reply: GrammarReply): void; reject(error: Error): void }>();
  #nextRequest = 0;

  constructor(vocabulary: TokenVocabulary) {
    this.vocabSize = vocabulary.size;
    this.#worker = new Worker(compiledModule(new URL('./grammar-worker.js', import.meta.url)), {
      workerData: vocabulary,
    });
    this.#worker.on('message', (reply: GrammarReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`The grammar thread ended with code ${code}.`)));
    // A thread without work must not keep the process alive.
    this.#worker.unref();
  }

  send(message: GrammarMessage): void {
    this.#worker.postMessage(message);
  }

  ask(message: (request: number) => GrammarMessage): Promise<GrammarReply> {
    return new Promise((resolve, reject) => {
      if (this.failure !== undefined) return reject(this.failure);
      const request = this.#nextRequest++;
      this.#waiting.set(request, { resolve, reject });
      this.#worker.ref();
      this.send(message(request));
    });
  }

  async end(): Promise<void> {
    this.#fail(new Error('The grammar thread has been ended.'));
    await this.#worker.terminate();
  }

  #settle(reply: GrammarReply): void {
    const asked = this.#waiting.get(reply.request);
    this.#waiting.delete(reply.request);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.kind !== 'error') asked?.resolve(reply);
    else asked?.reject(reply.isInput ? new InputError(reply.message) : new Error(reply.message));
  }

  #fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.failure);
    this.#waiting.clear();
  }
}
