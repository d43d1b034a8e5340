/**
 * The first module of the engine's process: loads an engine and steps it, a message to the server after each step.
 * It lives as long as the server, whose process id is its argument: it ends when the channel to it closes.
 */
import { messageOf } from '../../errors/index.js';
import { type StepEvent, StepLoop, type SteppingEngine } from '../../generation/index.js';
import type { AdapterInfo } from '../engine-service.js';
import type { EngineModule, StartedEngine } from './engine-module.js';
import { type EngineReport, type FromEngine, packEvents, serializeError, type ToEngine } from './messages.js';
import { watchParent } from './parent-watch.js';

/** At most this often goes a report with a step, and this often one without. */
const REPORT_MS = 100;
const IDLE_REPORT_MS = 250;
/** Messages that the system has not taken yet: with so many the engine waits, so that nothing piles up here. */
const MAX_UNSENT = 16;

class EngineChild {
  readonly #started: StartedEngine;
  readonly #engine: SteppingEngine;
  readonly #loop: StepLoop;
  #received = 0;
  #unsent = 0;
  #lastReport = 0;
  #longestStep = 0;

  constructor(started: StartedEngine) {
    const { engine } = started;
    this.#started = started;
    this.#engine = engine;
    this.#loop = new StepLoop(engine, {
      onStep: (milliseconds, events) => this.#onStep(milliseconds, events),
      onFailure: (error) => fail(error),
    });
    started.fault?.then(fail);
    setInterval(() => {
      if (this.#unsent < MAX_UNSENT && performance.now() - this.#lastReport >= IDLE_REPORT_MS)
        this.#send({ kind: 'report', report: this.report() });
    }, IDLE_REPORT_MS);
  }

  report(): EngineReport {
    this.#lastReport = performance.now();
    const report = {
      stats: this.#engine.stats,
      received: this.#received,
      longestStep: this.#longestStep,
    };
    this.#longestStep = 0;
    return report;
  }

  receive(message: Exclude<ToEngine, { kind: 'start' }>): void {
    switch (message.kind) {
      case 'submit':
        this.#received += 1;
        try {
          this.#loop.submit(message.id, message.request);
        } catch (error) {
          this.#send({ kind: 'refused', id: message.id, error: serializeError(error) });
        }
        return;
      case 'cancel':
        this.#loop.cancel(message.id);
        return;
      case 'pause':
        this.#loop.pause(message.id);
        return;
      case 'resume':
        this.#loop.resume(message.id);
        return;
      case 'load-adapter': {
        const { name, path } = message.adapter;
        this.#answer(message.call, () => this.#engine.loadAdapter(name, path));
        return;
      }
      case 'unload-adapter':
        this.#answer(message.call, () => this.#engine.unloadAdapter(message.name));
        return;
      case 'close':
        this.#loop.end();
        this.#started.dispose();
        process.exit(0);
        return;
      default:
        message satisfies never;
    }
  }

  #onStep(milliseconds: number, events: readonly StepEvent[]): void {
    this.#longestStep = Math.max(this.#longestStep, milliseconds);
    const isDue = performance.now() - this.#lastReport >= REPORT_MS;
    // Whoever looks when everything has ended finds the last numbers.
    const report = isDue || !this.#engine.hasWork ? this.report() : undefined;
    if (events.length > 0) this.#send({ kind: 'step', events: packEvents(events), report });
    else if (report !== undefined) this.#send({ kind: 'report', report });
  }

  #answer(call: number, work: () => void): void {
    try {
      work();
      this.#send({ kind: 'reply', call });
    } catch (error) {
      this.#send({ kind: 'reply', call, error: serializeError(error) });
    }
  }

  #send(message: FromEngine): void {
    if (++this.#unsent >= MAX_UNSENT) this.#loop.hold();
    send(message, () => {
      if (--this.#unsent === MAX_UNSENT >> 1) this.#loop.release();
    });
  }
}

function send(message: FromEngine, onSent: () => void = () => undefined): void {
  // A server that is gone ends us by `disconnect`; what could not be sent to it does not matter.
  process.send?.(message, undefined, undefined, onSent);
}

function fail(error: unknown): void {
  send({ kind: 'fault', error: serializeError(error) }, () => process.exit(1));
}

async function start({ module, setup, adapters, mayLoseAdapters }: Extract<ToEngine, { kind: 'start' }>) {
  const { startEngine }: EngineModule<unknown> = await import(module);
  const started = await startEngine(setup);
  const lostAdapters: { name: string; reason: string }[] = [];
  for (const { name, path } of adapters satisfies readonly AdapterInfo[])
    try {
      started.engine.loadAdapter(name, path);
    } catch (error) {
      if (!mayLoseAdapters) throw error;
      lostAdapters.push({ name, reason: messageOf(error) });
    }
  const child = new EngineChild(started);
  const { limits, description } = started;
  send({ kind: 'ready', limits, description, report: child.report(), lostAdapters });
  return child;
}

let child: EngineChild | undefined;

process.on('message', (message: ToEngine) => {
  if (message.kind !== 'start') {
    if (child !== undefined) child.receive(message);
    else if (message.kind === 'close') process.exit(0);
    return;
  }
  start(message).then((started) => {
    child = started;
  }, fail);
});
process.on('disconnect', () => process.exit(0));
// Ctrl-C and `kill` of a whole group reach us too: the server ends us when its requests are done.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('SIGHUP', () => undefined);
watchParent(Number(process.argv[2]));
