/** The engine with text: detokenising, stop strings, grammars compiled while their request waits. */
import { InputError } from '../../errors/index.js';
import type { CausalLm } from '../../models/index.js';
import type { DecodeStream, Tokenizer } from '../../tokenizers/index.js';
import { createDetokenizer } from '../detokenizer.js';
import type { TokenLogProbs } from '../log-probs.js';
import type {
  EngineStats,
  GenerationRequest,
  SequenceEnd,
  TextBeamResult,
  TextEvent,
  TextRequest,
} from '../requests.js';
import { StopStringMatcher } from '../stop-strings.js';
import type { ConstraintSource } from '../structured/token-constraint.js';
import type { EngineLimits } from './check-request.js';
import { Engine, type EngineEvent } from './engine.js';
import type { EngineOptions } from './engine-options.js';
import type { StepEvent, SteppingEngine } from './stepping-engine.js';

export interface TextEngineOptions extends EngineOptions {
  /** For requests with a grammar; without it they are refused. The engine does not own it. */
  readonly grammars?: ConstraintSource | undefined;
}

interface ActiveRequest {
  readonly request: TextRequest;
  readonly stream: DecodeStream;
  readonly stops: StopStringMatcher | undefined;
  readonly stopIds: ReadonlySet<number>;
  /** Tokens for which stop strings are not looked for yet. */
  missing: number;
}

export class TextEngine implements SteppingEngine {
  readonly #engine: Engine;
  readonly #tokenizer: Tokenizer;
  readonly #grammars: ConstraintSource | undefined;
  readonly #open = new Map<string, ActiveRequest>();
  /** Requests whose grammar is being compiled. */
  readonly #compiling = new Map<string, { isPaused: boolean; readonly leave: AbortController }>();
  readonly #failed: StepEvent[] = [];
  /** Called when a request that waited for its grammar or for a mask can go on, or has failed. */
  onReady: (() => void) | undefined;

  constructor(model: CausalLm, tokenizer: Tokenizer, { grammars, ...options }: TextEngineOptions = {}) {
    this.#engine = new Engine(model, options);
    this.#engine.onReady = () => this.onReady?.();
    this.#tokenizer = tokenizer;
    this.#grammars = grammars;
  }

  get limits(): EngineLimits {
    return this.#engine.limits;
  }

  /** True while a step has something to do. A request whose grammar is being compiled is none: see `onReady`. */
  get hasWork(): boolean {
    return this.#engine.hasWork || this.#failed.length > 0;
  }

  get stats(): EngineStats {
    const stats = this.#engine.stats;
    const compiling = [...this.#compiling.keys()].map(
      (id) => this.#open.get(id)?.request.promptIds.length ?? 0,
    );
    return {
      ...stats,
      waiting: stats.waiting + compiling.length,
      waitingTokens: compiling.reduce((sum, length) => sum + length, stats.waitingTokens),
    };
  }

  /** @throws InputError for a request that cannot be served; a grammar that does not compile comes as an event */
  submit(id: string, request: TextRequest): void {
    if (this.#open.has(id))
      throw new InputError(`generation: request ${JSON.stringify(id)} is already under way.`);
    const { stopStrings = [], grammar, stopTokenIds = [] } = request;
    if (grammar !== undefined && request.pooling !== undefined)
      throw new InputError('generation: pooling and grammar exclude each other; leave one out.');
    if (stopStrings.length > 0 && request.beams !== undefined)
      throw new InputError(
        'generation: beam search knows no stop strings; give stop ids, or cut the answers.',
      );
    const text: ActiveRequest = {
      request,
      stream: createDetokenizer(this.#tokenizer, request),
      stops: stopStrings.length === 0 ? undefined : new StopStringMatcher(stopStrings),
      stopIds: new Set(stopTokenIds),
      missing: request.minNewTokens ?? 0,
    };
    const limited: GenerationRequest = {
      ...request,
      vocabLimit: request.vocabLimit ?? this.#tokenizer.vocabSize,
    };
    if (grammar === undefined) this.#engine.submit(id, limited);
    else this.#submitCompiled(id, limited, grammar);
    this.#open.set(id, text);
  }

  cancel(id: string): void {
    this.#compiling.get(id)?.leave.abort();
    this.#compiling.delete(id);
    this.#open.delete(id);
    const failed = this.#failed.findIndex((event) => event.id === id);
    if (failed >= 0) this.#failed.splice(failed, 1);
    this.#engine.cancel(id);
  }

  pause(id: string): void {
    const compiling = this.#compiling.get(id);
    if (compiling === undefined) this.#engine.pause(id);
    else compiling.isPaused = true;
  }

  resume(id: string): void {
    const compiling = this.#compiling.get(id);
    if (compiling === undefined) this.#engine.resume(id);
    else compiling.isPaused = false;
  }

  /** @see Engine.loadAdapter */
  loadAdapter(name: string, path: string): void {
    this.#engine.loadAdapter(name, path);
  }

  /** @see Engine.unloadAdapter */
  unloadAdapter(name: string): void {
    const compiling = [...this.#compiling.keys()].filter(
      (id) => this.#open.get(id)?.request.adapter === name,
    );
    if (compiling.length > 0)
      throw new InputError(`adapter ${JSON.stringify(name)}: requests wait that use it.`);
    this.#engine.unloadAdapter(name);
  }

  /** One forward pass. */
  step(): StepEvent[] {
    const events = this.#failed.splice(0);
    for (const event of this.#engine.step()) {
      const text = this.#open.get(event.id);
      if (text === undefined) continue;
      if (event.error !== undefined) {
        this.#open.delete(event.id);
        events.push({ id: event.id, error: event.error });
        continue;
      }
      const made = this.#toText(text, event);
      if (made.end !== undefined) this.#open.delete(event.id);
      events.push({ id: event.id, event: made });
    }
    return events;
  }

  /** @see Engine.resetPrefixCache */
  resetPrefixCache(): void {
    this.#engine.resetPrefixCache();
  }

  dispose(): void {
    this.#open.clear();
    for (const { leave } of this.#compiling.values()) leave.abort();
    this.#compiling.clear();
    this.#engine.dispose();
  }

  #submitCompiled(
    id: string,
    request: GenerationRequest,
    grammar: NonNullable<TextRequest['grammar']>,
  ): void {
    const grammars = this.#grammars;
    if (grammars === undefined) throw new InputError('generation: structured output is not available here.');
    this.#engine.check(request);
    const waiting = { isPaused: false, leave: new AbortController() };
    const { client } = request;
    this.#compiling.set(id, waiting);
    grammars.create(grammar, { client, signal: waiting.leave.signal }).then(
      (constraint) => {
        if (this.#compiling.get(id) !== waiting) {
          constraint.dispose(); // Cancelled in the meantime.
          return;
        }
        this.#compiling.delete(id);
        try {
          this.#engine.submit(id, { ...request, constraint });
          if (waiting.isPaused) this.#engine.pause(id);
        } catch (error) {
          constraint.dispose();
          this.#fail(id, error);
        }
        this.onReady?.();
      },
      (error: unknown) => {
        if (this.#compiling.get(id) !== waiting) return;
        this.#fail(id, error);
        this.onReady?.();
      },
    );
  }

  #fail(id: string, error: unknown): void {
    this.#compiling.delete(id);
    this.#open.delete(id);
    this.#failed.push({ id, error: error instanceof Error ? error : new Error(String(error)) });
  }

  #toText(text: ActiveRequest, event: EngineEvent): TextEvent {
    const { ids, logProbs, promptLogProbs, embedding } = event;
    if (embedding !== undefined) return { text: '', ids, embedding, end: event.end };
    if (event.beams !== undefined)
      return {
        text: '',
        ids: [],
        promptLogProbs,
        end: event.end,
        beams: event.beams.map((beam): TextBeamResult => ({ ...beam, text: this.#beamText(text, beam.ids) })),
      };
    let shown = '';
    for (const [place, id] of ids.entries()) {
      const isLast = place === ids.length - 1 && event.end !== undefined;
      const { piece, stopped } = advance(text, id, isLast);
      shown += piece;
      if (stopped === undefined) continue;
      const kept = place + 1;
      const end = this.#stopReport(event, stopped, ids.length - kept);
      return { text: shown, ids: ids.slice(0, kept), logProbs: upTo(logProbs, kept), promptLogProbs, end };
    }
    return { text: shown, ids, logProbs, promptLogProbs, end: event.end };
  }

  /** What the engine says of a text that a stop string has ended. @param surplus ids beyond it */
  #stopReport({ id, end }: EngineEvent, stopString: string, surplus: number): SequenceEnd | undefined {
    const report = end === undefined ? this.#engine.stop(id, stopString) : end;
    if (report === undefined) return undefined;
    return {
      ...report,
      finishReason: 'stop',
      stopReason: stopString,
      generatedTokens: report.generatedTokens - surplus,
    };
  }

  #beamText({ request }: ActiveRequest, ids: readonly number[]): string {
    const stops = new Set(request.stopTokenIds);
    const last = ids.at(-1);
    const shown = last !== undefined && stops.has(last) ? ids.slice(0, -1) : ids;
    const stream = createDetokenizer(this.#tokenizer, request);
    return shown.map((id) => stream.push(id)).join('') + stream.end();
  }
}

/** The text that one more id makes certain, and the stop string that it completes. */
function advance(
  text: ActiveRequest,
  id: number,
  isLast: boolean,
): { piece: string; stopped: string | undefined } {
  const { request, stream, stops, stopIds } = text;
  let decoded = stopIds.has(id) ? '' : stream.push(id);
  if (isLast) decoded += stream.end();
  // Text of the fewest tokens is past: a stop string begins behind it.
  if (stops === undefined || text.missing-- > 0) return { piece: decoded, stopped: undefined };
  const { text: free, stopped } = stops.push(decoded);
  if (stopped !== undefined)
    return { piece: request.includeStopString === true ? free + stopped : free, stopped };
  return { piece: isLast ? free + stops.flush().text : free, stopped: undefined };
}

function upTo(
  logProbs: readonly TokenLogProbs[] | undefined,
  count: number,
): readonly TokenLogProbs[] | undefined {
  return logProbs?.slice(0, count);
}
