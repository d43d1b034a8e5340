/** Grammars and their constraints for one tokenizer: compiled on one thread, followed on another. */
import { InputError } from '../../errors/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { checkGrammarSize } from './compile-grammar.js';
import { type CompiledSpec, CompileThread } from './compile-thread.js';
import { FairQueue } from './fair-queue.js';
import type { GrammarSpec } from './grammar-spec.js';
import { MaskThread } from './mask-thread.js';
import type { CompileOptions, TokenConstraint } from './token-constraint.js';
import { type TokenVocabulary, tokenVocabulary } from './token-vocabulary.js';

/** A grammar that was found good; for `createConstraint` of the compiler that made it. */
export type CompiledGrammar = CompiledSpec;

export interface GrammarCompilerOptions {
  /** Ends of a text: allowed where the grammar may end, and nowhere within. */
  readonly stopIds: readonly number[];
  /** Ids that the model gives scores for, where they are more than the tokenizer's. */
  readonly modelVocabSize?: number;
  /** Milliseconds that a grammar may take, from reading it to its first mask. Default 4000. */
  readonly limit?: number | undefined;
}

const DEFAULT_LIMIT_MS = 4000;
/** Specs whose outcome is kept, good or not, for the next one who brings them. */
const KEPT_OUTCOMES = 64;
/** What a byte of a spec takes, about; what it did take is counted when it is known. */
const MS_PER_BYTE = 0.005;

/** A refusal is kept for so long: what takes too long on a busy machine may not on an idle one. */
const REFUSED_MS = 60_000;

type Outcome = { readonly until: number } & (
  | { readonly compiled: CompiledSpec }
  | { readonly error: InputError }
);

/** One spec, and those who wait for it. */
interface Job {
  readonly spec: string;
  readonly outcome: Promise<CompiledSpec>;
  readonly resolve: (compiled: CompiledSpec) => void;
  readonly reject: (error: unknown) => void;
  readonly clients: Set<string>;
  waiters: number;
  state: 'queued' | 'running' | 'over';
}

/** The threads start with the first grammar. */
export class GrammarCompiler {
  readonly #vocabulary: () => TokenVocabulary;
  readonly #compiler: CompileThread;
  readonly #queue = new FairQueue<Job>();
  readonly #jobs = new Map<string, Job>();
  /** Of specs that are done; the one asked for last comes last. */
  readonly #outcomes = new Map<string, Outcome>();
  #masks: MaskThread | undefined;
  #isBusy = false;

  constructor(
    tokenizer: Tokenizer,
    { stopIds, modelVocabSize, limit = DEFAULT_LIMIT_MS }: GrammarCompilerOptions,
  ) {
    let vocabulary: TokenVocabulary | undefined;
    this.#vocabulary = () => {
      vocabulary ??= tokenVocabulary(tokenizer, stopIds, modelVocabSize);
      return vocabulary;
    };
    this.#compiler = new CompileThread(this.#vocabulary, limit);
  }

  /**
   * Clients take turns, by the time that their grammars take.
   * @throws InputError for a spec that is wrong, too large, too slow or not supported: the message names the place; the
   *   signal's reason once it is aborted
   */
  async compile(spec: GrammarSpec, { client = '', signal }: CompileOptions = {}): Promise<CompiledGrammar> {
    checkGrammarSize(spec);
    signal?.throwIfAborted();
    const text = JSON.stringify(spec);
    const known = this.#outcomes.get(text);
    if (known !== undefined && performance.now() < known.until) {
      this.#keep(text, known);
      if ('error' in known) throw known.error;
      return known.compiled;
    }
    const job = this.#jobs.get(text) ?? this.#createJob(text);
    job.waiters += 1;
    if (job.state === 'queued' && !job.clients.has(client)) {
      // Whoever's turn comes first has it compiled for all.
      job.clients.add(client);
      this.#queue.add(client, job, text.length * MS_PER_BYTE);
    }
    const leave = (): void => this.#leave(job);
    signal?.addEventListener('abort', leave, { once: true });
    void this.#work();
    try {
      return await job.outcome;
    } finally {
      signal?.removeEventListener('abort', leave);
      signal?.throwIfAborted();
    }
  }

  /** The constraint of one sequence; its first mask is on its way. To be disposed of. */
  createConstraint({ grammar }: CompiledGrammar): TokenConstraint {
    return this.#startedMasks().open(grammar);
  }

  /** What the mask thread holds: constraints that are not disposed of, and grammars kept for the next request. */
  async count(): Promise<{ constraints: number; grammars: number }> {
    const { sequences, grammars } = await this.#startedMasks().count();
    return { constraints: sequences, grammars };
  }

  /** Ends the threads; constraints that are left fail, and nothing is compiled any more. */
  async dispose(): Promise<void> {
    await Promise.all([this.#masks?.end(), this.#compiler.end()]);
  }

  #createJob(spec: string): Job {
    let resolve: (compiled: CompiledSpec) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const outcome = new Promise<CompiledSpec>((onCompiled, onError) => {
      resolve = onCompiled;
      reject = onError;
    });
    // Those who left do not hear of it.
    outcome.catch(() => undefined);
    const job: Job = {
      spec,
      outcome,
      resolve,
      reject,
      clients: new Set(),
      waiters: 0,
      state: 'queued',
    };
    this.#jobs.set(spec, job);
    return job;
  }

  #leave(job: Job): void {
    job.waiters -= 1;
    if (job.waiters > 0 || job.state !== 'queued') return;
    job.state = 'over';
    this.#jobs.delete(job.spec);
    this.#queue.remove(job);
    job.reject(new Error('Nobody waits for this grammar.'));
  }

  /** Compiles what waits, one after the other. */
  async #work(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#queue.next(); next !== undefined; next = this.#queue.next()) {
      const { job, spent } = next;
      job.state = 'running';
      this.#queue.remove(job); // Where it waits in the turns of others.
      const start = performance.now();
      await this.#run(job);
      spent(performance.now() - start);
    }
    this.#isBusy = false;
  }

  async #run(job: Job): Promise<void> {
    try {
      const compiled = await this.#compiler.compile(job.spec);
      this.#keep(job.spec, { compiled, until: Number.POSITIVE_INFINITY });
      job.resolve(compiled);
    } catch (error) {
      if (error instanceof InputError) this.#keep(job.spec, { error, until: performance.now() + REFUSED_MS });
      job.reject(error);
    }
    job.state = 'over';
    this.#jobs.delete(job.spec);
  }

  #keep(spec: string, outcome: Outcome): void {
    this.#outcomes.delete(spec);
    this.#outcomes.set(spec, outcome);
    const oldest = this.#outcomes.keys().next();
    if (this.#outcomes.size > KEPT_OUTCOMES && !oldest.done) this.#outcomes.delete(oldest.value);
  }

  /** The thread; a new one if the last has died. */
  #startedMasks(): MaskThread {
    if (this.#masks === undefined || this.#masks.failure !== undefined)
      this.#masks = new MaskThread(this.#vocabulary());
    return this.#masks;
  }
}
