/** The thread that computes masks, as the engine holds it: while the model works on one token it finds out which may follow. */
import { Worker } from 'node:worker_threads';
import { compiledModule } from '../../workers/index.js';
import { MaskBuffer } from './mask-buffer.js';
import type { MaskMessage, MaskReply } from './mask-worker.js';
import type { PackedGrammar } from './packed-grammar.js';
import type { TokenConstraint } from './token-constraint.js';
import type { TokenVocabulary } from './token-vocabulary.js';

/** Grammars kept for the next request; each may hold some MB of masks. */
const MAX_GRAMMARS = 32;
/** A mask takes milliseconds; even with those of other sequences before it, this is never reached. */
const WAIT_TIMEOUT_MS = 60_000;

export class MaskThread {
  failure: Error | undefined;
  readonly #vocabSize: number;
  readonly #worker: Worker;
  /** Numbers of the grammars that the thread has; the one used last comes last. */
  readonly #grammars = new Map<PackedGrammar, number>();
  /** By sequence: to be called when a mask of it is there. */
  readonly #waiting = new Map<number, () => void>();
  readonly #counts: ((reply: Extract<MaskReply, { kind: 'count' }>) => void)[] = [];
  #nextGrammar = 0;
  #nextSequence = 0;

  constructor(vocabulary: TokenVocabulary) {
    this.#vocabSize = vocabulary.size;
    this.#worker = new Worker(compiledModule(new URL('./mask-worker.js', import.meta.url)), {
      workerData: vocabulary,
    });
    this.#worker.on('message', (reply: MaskReply) => this.#take(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`The mask thread ended with code ${code}.`)));
    // A thread without work must not keep the process alive.
    this.#worker.unref();
  }

  /** The constraint of one sequence; its first mask is on its way. To be disposed of. */
  open(packed: PackedGrammar): TokenConstraint {
    const grammar = this.#numberOf(packed);
    const sequence = this.#nextSequence++;
    const buffer = MaskBuffer.allocate(this.#vocabSize);
    this.send({ kind: 'open', sequence, grammar, memory: buffer.memory });
    return new ThreadedConstraint(this, sequence, buffer);
  }

  send(message: MaskMessage): void {
    this.#worker.postMessage(message);
  }

  /** Calls, until `stopAwaiting`, when the thread says that a mask of a sequence is there, or has failed. */
  await(sequence: number, call: () => void): void {
    this.#waiting.set(sequence, call);
    this.#worker.ref();
  }

  stopAwaiting(sequence: number): void {
    this.#waiting.delete(sequence);
    if (this.#waiting.size === 0) this.#worker.unref();
  }

  /** What the thread holds. */
  count(): Promise<{ readonly sequences: number; readonly grammars: number }> {
    return new Promise((resolve) => {
      this.#counts.push(resolve);
      this.send({ kind: 'count' });
    });
  }

  async end(): Promise<void> {
    this.#fail(new Error('The mask thread has been ended.'));
    await this.#worker.terminate();
  }

  #numberOf(packed: PackedGrammar): number {
    const known = this.#grammars.get(packed);
    const number = known ?? this.#nextGrammar++;
    if (known === undefined) this.send({ kind: 'load', grammar: number, packed });
    this.#grammars.delete(packed);
    this.#grammars.set(packed, number);
    const oldest = this.#grammars.entries().next();
    if (this.#grammars.size > MAX_GRAMMARS && !oldest.done) {
      this.#grammars.delete(oldest.value[0]);
      this.send({ kind: 'forget', grammar: oldest.value[1] });
    }
    return number;
  }

  #take(reply: MaskReply): void {
    switch (reply.kind) {
      case 'ready':
        this.#waiting.get(reply.sequence)?.();
        return;
      case 'count':
        this.#counts.shift()?.(reply);
        return;
      default:
        reply satisfies never;
    }
  }

  #fail(error: Error): void {
    this.failure ??= error;
    for (const call of [...this.#waiting.values()]) call();
  }
}

class ThreadedConstraint implements TokenConstraint {
  readonly #thread: MaskThread;
  readonly #sequence: number;
  readonly #buffer: MaskBuffer;
  #step = 1;
  #failure: Error | undefined;
  #isDisposed = false;

  constructor(thread: MaskThread, sequence: number, buffer: MaskBuffer) {
    this.#thread = thread;
    this.#sequence = sequence;
    this.#buffer = buffer;
  }

  get isReady(): boolean {
    return this.#fault !== undefined || this.#buffer.has(this.#step);
  }

  whenReady(call: () => void): void {
    const timer = setTimeout(() => {
      this.#failure = new Error('The mask thread does not answer.');
      finish();
    }, WAIT_TIMEOUT_MS);
    timer.unref();
    const finish = (): void => {
      clearTimeout(timer);
      this.#thread.stopAwaiting(this.#sequence);
      call();
    };
    // It may be told late of a mask that it has not waited for in the end: that is not the one of this step.
    this.#thread.await(this.#sequence, () => {
      if (this.isReady) finish();
    });
    // Asked to tell; but it may have been done before it could see that.
    this.#buffer.want(this.#step);
    if (this.isReady) queueMicrotask(() => finish());
  }

  allowed(): Uint32Array {
    if (this.#fault !== undefined) throw this.#fault;
    return this.#buffer.take(this.#step);
  }

  accept(id: number): void {
    if (this.#isDisposed) throw new Error('The constraint has been disposed of.');
    this.#step += 1;
    this.#thread.send({ kind: 'accept', sequence: this.#sequence, id });
  }

  dispose(): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#thread.stopAwaiting(this.#sequence);
    this.#thread.send({ kind: 'close', sequence: this.#sequence });
  }

  get #fault(): Error | undefined {
    return this.#failure ?? this.#thread.failure;
  }
}
