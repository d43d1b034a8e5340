/** An engine in a process of its own as a service: what kills it leaves the server standing, and it is started again. */
import { InputError, messageOf } from '../../errors/index.js';
import {
  checkRequest,
  type EngineLimits,
  type EngineStats,
  type TextEvent,
  type TextRequest,
} from '../../generation/index.js';
import { log } from '../../log/index.js';
import { compiledModule } from '../../workers/index.js';
import {
  type AdapterInfo,
  type EngineService,
  type EngineState,
  EngineUnavailableError,
} from '../engine-service.js';
import { AdapterList } from './adapter-list.js';
import { Admission, type QueueDepth, type QueueLimits } from './admission.js';
import { ChildHandle } from './child-handle.js';
import { Heartbeat } from './heartbeat.js';
import {
  deserializeError,
  type EngineReport,
  type FromEngine,
  packRequest,
  unpackEvents,
} from './messages.js';
import { OpenRequests } from './open-requests.js';
import { PendingCalls } from './pending-calls.js';
import { type RestartOptions, RestartPolicy } from './restart-policy.js';
import { StatsTotals } from './stats-totals.js';

export interface EngineProcessOptions {
  /** The module that makes the engine (EngineModule), by `new URL('./x.js', import.meta.url)`. */
  readonly module: URL;
  /** What it is given; plain data. */
  readonly setup: unknown;
  readonly adapters?: readonly AdapterInfo[] | undefined;
  readonly queue: QueueLimits;
  readonly restart?: RestartOptions | undefined;
  /** What `maxModelLength` says until the engine has told. Default 0. */
  readonly assumedLength?: number | undefined;
  /** Seconds of silence after which the engine counts as stalled. Default 60. */
  readonly stallSeconds?: number | undefined;
}

interface Submission {
  /** Its place among those sent to the present process, from 1. */
  readonly index: number;
  readonly tokens: number;
}

const CLOSED = 'The server is ending.';

export class EngineProcess implements EngineService {
  /** Fulfilled when the first process is ready. Rejected, with the state `failed`, where there will never be one. */
  readonly ready: Promise<void>;
  readonly #options: EngineProcessOptions;
  readonly #requests: OpenRequests;
  readonly #admission: Admission;
  readonly #adapters: AdapterList;
  readonly #stats = new StatsTotals();
  readonly #calls = new PendingCalls();
  readonly #heartbeat: Heartbeat;
  readonly #restarts: RestartPolicy;
  #state: EngineState = { kind: 'loading', detail: 'The model is being loaded.' };
  #limits: EngineLimits | undefined;
  #child: ChildHandle | undefined;
  #readySince: number | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  /** Why the present process said that it ends. */
  #fault: Error | undefined;
  #sent = 0;
  /** Those that the last report does not know of. */
  #unseen: Submission[] = [];
  #settleReady: { resolve: () => void; reject: (error: Error) => void } | undefined;

  /** Starts the process at once. */
  constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#adapters = new AdapterList(options.adapters);
    this.#admission = new Admission(options.queue);
    this.#restarts = new RestartPolicy(options.restart);
    this.#heartbeat = new Heartbeat((options.stallSeconds ?? 60) * 1000);
    const tell = (kind: 'cancel' | 'pause' | 'resume') => (id: string) => this.#child?.send({ kind, id });
    this.#requests = new OpenRequests(
      {
        submit: (id, request) => this.#submit(id, request),
        cancel: tell('cancel'),
        pause: tell('pause'),
        resume: tell('resume'),
      },
      () => this.#admission.started(),
    );
    this.ready = new Promise((resolve, reject) => {
      this.#settleReady = { resolve, reject };
    });
    this.ready.catch(() => undefined); // who does not await it asks `state`
    this.#start();
  }

  get state(): EngineState {
    return this.#state;
  }

  get isResponsive(): boolean {
    return this.#state.kind !== 'ready' || this.#heartbeat.isAlive;
  }

  get stats(): EngineStats {
    return this.#stats.take();
  }

  get maxModelLength(): number {
    return this.#limits?.maxLength ?? this.#options.assumedLength ?? 0;
  }

  get adapters(): readonly AdapterInfo[] {
    return this.#adapters.loaded;
  }

  /** Of the engine's process; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  generate(request: TextRequest, signal?: AbortSignal): AsyncIterable<TextEvent> {
    const adapters = this.#adapters.loaded.map(({ name }) => name);
    checkRequest(request, { ...this.#readyLimits(), adapters });
    this.#admission.check(this.#queueDepth(), request.promptIds.length);
    return this.#requests.open(request, signal);
  }

  async loadAdapter(adapter: AdapterInfo): Promise<void> {
    this.#readyLimits();
    await this.#adapters.add(adapter, () => this.#call((call) => ({ kind: 'load-adapter', call, adapter })));
  }

  async unloadAdapter(name: string): Promise<void> {
    this.#readyLimits();
    await this.#adapters.remove(
      name,
      () => this.#requests.adapterIdle(name),
      () => this.#call((call) => ({ kind: 'unload-adapter', call, name })),
    );
  }

  async close(): Promise<void> {
    clearTimeout(this.#restartTimer);
    this.#heartbeat.stop();
    this.#settleReady?.reject(new EngineUnavailableError(CLOSED));
    const isDeaf = this.#state.kind !== 'ready' || !this.#heartbeat.isAlive;
    this.#state = { kind: 'failed', detail: CLOSED };
    this.#failAll(new EngineUnavailableError(CLOSED));
    // It cannot hear while it loads, and has nothing to lose.
    if (isDeaf) this.#child?.kill();
    await this.#child?.close();
  }

  /** Ends the process at once; for who ends at once too. */
  kill(): void {
    this.#child?.kill();
  }

  #start(): void {
    const { module, setup } = this.#options;
    const child = new ChildHandle({
      onMessage: (message) => this.#receive(message),
      onEnd: (how) => this.#onEnd(how),
    });
    this.#child = child;
    this.#fault = undefined;
    this.#sent = 0;
    this.#unseen = [];
    child.send({
      kind: 'start',
      module: compiledModule(module).href,
      setup,
      adapters: this.#adapters.loaded,
      mayLoseAdapters: this.#limits !== undefined,
    });
  }

  #receive(message: FromEngine): void {
    this.#heartbeat.beat();
    switch (message.kind) {
      case 'step':
        for (const { id, event, error } of unpackEvents(message.events))
          if (event === undefined) this.#requests.fail(id, error);
          else this.#requests.deliver(id, event);
        if (message.report !== undefined) this.#note(message.report);
        return;
      case 'report':
        this.#note(message.report);
        return;
      case 'refused':
        this.#requests.fail(message.id, deserializeError(message.error));
        return;
      case 'reply':
        this.#calls.settle(message.call, message.error && deserializeError(message.error));
        return;
      case 'ready':
        this.#becomeReady(message);
        return;
      case 'fault':
        this.#fault = deserializeError(message.error);
        return;
      default:
        message satisfies never;
    }
  }

  #becomeReady({ limits, description, report, lostAdapters }: Extract<FromEngine, { kind: 'ready' }>): void {
    if (this.#state.kind === 'failed') return;
    this.#limits = limits;
    this.#note(report);
    for (const { name, reason } of lostAdapters)
      log(`warning: the adapter "${name}" could not be loaded again: ${reason}`);
    this.#adapters.lose(lostAdapters.map(({ name }) => name));
    log(`engine: ready; ${description}`);
    this.#readySince = performance.now();
    this.#state = { kind: 'ready' };
    this.#settleReady?.resolve();
  }

  #note(report: EngineReport): void {
    this.#heartbeat.beat(report.longestStep);
    this.#stats.absorb(report.stats);
    this.#unseen = this.#unseen.filter(({ index }) => index > report.received);
  }

  #onEnd(how: string): void {
    this.#child = undefined;
    if (this.#state.kind === 'failed') return; // closed, or given up
    const reason = this.#fault === undefined ? '' : ` (${messageOf(this.#fault)})`;
    const detail = `The engine's process ended ${how}${reason}`;
    const readyMs = this.#readySince === undefined ? 0 : performance.now() - this.#readySince;
    this.#readySince = undefined;
    this.#stats.restart();
    // What cannot be loaded once will not be loaded another time.
    const isHopeless = this.#limits === undefined && this.#fault !== undefined;
    const delay = isHopeless ? undefined : this.#restarts.died(readyMs);
    if (delay === undefined) {
      this.#giveUp(`${detail}; it is not started again.`);
      return;
    }
    log(`error: ${detail}; it is started again in ${delay / 1000} s`);
    this.#state = { kind: 'restarting', detail: `${detail}; it is being started again.` };
    this.#failAll(new EngineUnavailableError(this.#state.detail));
    this.#restartTimer = setTimeout(() => this.#start(), delay);
  }

  #giveUp(detail: string): void {
    this.#state = { kind: 'failed', detail };
    // Wrong input at the start is told by who waits for the start.
    const isTold = this.#limits === undefined && this.#fault instanceof InputError;
    if (!isTold) log(`error: ${detail}`);
    if (this.#fault?.stack !== undefined && !(this.#fault instanceof InputError)) log(this.#fault.stack);
    this.#failAll(new EngineUnavailableError(detail, 60));
    this.#settleReady?.reject(this.#fault ?? new Error(detail));
  }

  #failAll(error: EngineUnavailableError): void {
    this.#requests.failAll(error);
    this.#calls.failAll(error);
  }

  /** @throws EngineUnavailableError unless the engine is ready */
  #readyLimits(): EngineLimits {
    if (this.#state.kind === 'ready' && this.#limits !== undefined) return this.#limits;
    throw new EngineUnavailableError(
      this.#state.kind === 'ready' ? 'The model is being loaded.' : this.#state.detail,
    );
  }

  /** What waits: by the last report and what was sent since, but no more than what has no event yet. */
  #queueDepth(): QueueDepth {
    const { waiting, waitingTokens } = this.#stats.latest;
    const { requests, tokens } = this.#requests.notBegun;
    const unseenTokens = this.#unseen.reduce((sum, submission) => sum + submission.tokens, 0);
    return {
      requests: Math.min(requests, waiting + this.#unseen.length),
      tokens: Math.min(tokens, waitingTokens + unseenTokens),
    };
  }

  #submit(id: string, request: TextRequest): void {
    this.#sent += 1;
    this.#unseen.push({ index: this.#sent, tokens: request.promptIds.length });
    this.#child?.send({ kind: 'submit', id, request: packRequest(request) });
  }

  async #call(message: (call: number) => Parameters<ChildHandle['send']>[0]): Promise<void> {
    this.#readyLimits();
    const { call, settled } = this.#calls.begin();
    this.#child?.send(message(call));
    await settled;
  }
}
