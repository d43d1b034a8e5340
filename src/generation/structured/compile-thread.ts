/** A thread that compiles one grammar at a time, and is killed when that takes too long. */
import { Worker } from 'node:worker_threads';
import { InputError } from '../../errors/index.js';
import { compiledModule } from '../../workers/index.js';
import type { CompileReply } from './compile-worker.js';
import type { PackedGrammar } from './packed-grammar.js';
import type { TokenVocabulary } from './token-vocabulary.js';

export interface CompiledSpec {
  readonly grammar: PackedGrammar;
  readonly milliseconds: number;
}

interface RunningThread {
  readonly worker: Worker;
  /** Fulfilled when it has its vocabulary and can begin. */
  readonly ready: Promise<void>;
}

export class CompileThread {
  readonly #vocabulary: () => TokenVocabulary;
  readonly #limit: number;
  #thread: RunningThread | undefined;
  #isEnded = false;

  /** Starts with the first grammar. @param limit milliseconds for one, the start of the thread left out */
  constructor(vocabulary: () => TokenVocabulary, limit: number) {
    this.#vocabulary = vocabulary;
    this.#limit = limit;
  }

  /**
   * One at a time.
   * @throws InputError for a spec that is wrong, not supported, too large, or takes longer than the limit
   */
  async compile(spec: string): Promise<CompiledSpec> {
    if (this.#isEnded) throw new Error('The grammar compiler has been ended.');
    const { worker, ready } = this.#started();
    worker.ref();
    try {
      await ready;
      const reply = await this.#ask(worker, spec);
      if (reply.kind === 'compiled') return reply;
      throw reply.isInput ? new InputError(reply.message) : new Error(reply.message);
    } finally {
      worker.unref();
    }
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#thread?.worker.terminate();
  }

  #ask(worker: Worker, spec: string): Promise<Exclude<CompileReply, { kind: 'ready' }>> {
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (): void => {
        isSettled = true;
        clearTimeout(timer);
        worker.off('message', onReply).off('error', onEnd).off('exit', onEnd);
      };
      const onReply = (reply: CompileReply): void => {
        if (reply.kind === 'ready') return;
        settle();
        resolve(reply);
      };
      // Out of memory is the fault of what it compiled.
      const onEnd = (): void => {
        settle();
        reject(
          this.#isEnded
            ? new Error('The grammar compiler has been ended.')
            : new InputError('The grammar takes too much memory to compile. Give a smaller one.'),
        );
      };
      const kill = (): void => {
        if (isSettled) return;
        settle();
        this.#thread = undefined;
        void worker.terminate();
        reject(
          new InputError(
            `The grammar takes longer than ${this.#limit} ms to compile. Give a simpler schema, pattern or list.`,
          ),
        );
      };
      // This thread may have been in a step of the model meanwhile: a reply that came in time is read before `kill`.
      const timer = setTimeout(() => setImmediate(kill), this.#limit);
      worker.on('message', onReply).on('error', onEnd).on('exit', onEnd);
      worker.postMessage(spec);
    });
  }

  #started(): RunningThread {
    if (this.#thread !== undefined) return this.#thread;
    const worker = new Worker(compiledModule(new URL('./compile-worker.js', import.meta.url)), {
      workerData: this.#vocabulary(),
      resourceLimits: { maxOldGenerationSizeMb: MAX_MEGABYTES },
    });
    const ready = new Promise<void>((resolve, reject) => {
      worker.once('message', () => resolve());
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('The thread that compiles grammars ended at its start.')));
    });
    ready.catch(() => undefined);
    const thread = { worker, ready };
    const forget = (): void => {
      if (this.#thread === thread) this.#thread = undefined;
    };
    worker.on('error', forget);
    worker.on('exit', forget);
    this.#thread = thread;
    return thread;
  }
}

/** Of its heap; the vocabulary lies outside. */
const MAX_MEGABYTES = 1024;
