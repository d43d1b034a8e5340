/** The launcher of a node other than node 0: does what node 0's says. */

import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { InputError, messageOf } from '../../errors/index.js';
import { Connection } from './connection.js';
import { EXIT_BAD_INPUT, EXIT_FAILURE, EXIT_INTERRUPTED } from './failure.js';
import type { NodeEvents } from './launch-node.js';
import type { LauncherSignals } from './launcher-signals.js';
import type { LocalNode } from './local-node.js';
import { interfaceOf } from './network-interface.js';
import type { NodeShare } from './plan-starts.js';
import { type FromNode, parseToNode, type ToNode } from './protocol.js';
import { type RendezvousAddress, showAddress } from './rendezvous-address.js';

export interface FollowOptions {
  readonly address: RendezvousAddress;
  readonly nodes: number;
  readonly local: LocalNode;
  readonly share: NodeShare;
  readonly version: string;
  readonly signals: LauncherSignals;
  /** Seconds to reach node 0, and without a word of it. */
  readonly timeout: number;
}

const RETRY_MILLISECONDS = 300;
/** Node 0 says something every five seconds. */
const LEAST_SILENCE_SECONDS = 20;

/** @returns the exit code of the run @throws InputError if nobody answers, or node 0 refuses this node */
export async function followRendezvous(options: FollowOptions): Promise<number> {
  const socket = await reach(options);
  if (socket === undefined) return EXIT_INTERRUPTED;
  return await new Follower(socket, options).finished;
}

/** undefined: a signal came first. */
async function reach({ address, timeout, signals }: FollowOptions): Promise<Socket | undefined> {
  const stopped = new AbortController();
  signals.receiver = { onSignal: () => stopped.abort(), onKill: () => stopped.abort() };
  const end = performance.now() + timeout * 1000;
  for (;;) {
    const left = end - performance.now();
    try {
      return await tryToConnect(address, Math.max(100, left));
    } catch (error) {
      if (stopped.signal.aborted) return undefined;
      if (performance.now() + RETRY_MILLISECONDS >= end)
        throw new InputError(
          `xinghe launch: nobody answered at the rendezvous ${showAddress(address)} within ${timeout} s (--timeout): ${messageOf(error)}; ` +
            'node 0 is to be started with the same --rendezvous, and its port must be open.',
        );
    }
    await wait(RETRY_MILLISECONDS, undefined, { signal: stopped.signal }).catch(() => undefined);
    if (stopped.signal.aborted) return undefined;
  }
}

function tryToConnect({ host, port }: RendezvousAddress, milliseconds: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), milliseconds);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

class Follower {
  readonly finished: Promise<number>;
  readonly #options: FollowOptions;
  readonly #connection: Connection<ToNode, FromNode>;
  #finish: (code: number | Error) => void = () => {};
  #isOver = false;
  readonly #watch: NodeJS.Timeout;

  constructor(socket: Socket, options: FollowOptions) {
    this.#options = options;
    this.finished = new Promise((resolve, reject) => {
      this.#finish = (ending) => (typeof ending === 'number' ? resolve(ending) : reject(ending));
    });
    this.#connection = new Connection<ToNode, FromNode>(socket, {
      parse: parseToNode,
      onMessage: (message) => void this.#take(message),
      onClose: (why) => void this.#loseNode0(why),
    });
    options.local.networkInterface ??= interfaceOf(socket.localAddress);
    this.#join();
    const silence = Math.max(options.timeout, LEAST_SILENCE_SECONDS) * 1000;
    this.#watch = setInterval(() => {
      if (performance.now() - this.#connection.lastHeard > silence)
        void this.#loseNode0(`it has said nothing for ${silence / 1000} s`);
    }, 1_000);
    options.signals.receiver = {
      onSignal: (signal) => {
        if (this.#isStarted) this.#connection.send({ kind: 'signal', signal });
        else void this.#leave();
      },
      onKill: () => void this.#leave(),
    };
  }

  #isStarted = false;

  #join(): void {
    const { nodes, share, version, local } = this.#options;
    this.#connection.send({
      kind: 'join',
      program: 'xinghe launch',
      version,
      node: local.node,
      nodes,
      host: hostname(),
      nproc: share.nproc,
      table: share.table === undefined ? undefined : [...share.table],
    });
  }

  async #take(message: ToNode): Promise<void> {
    const { local } = this.#options;
    switch (message.kind) {
      case 'ping':
        return;
      case 'refused':
        return this.#end(new InputError(`xinghe launch: ${message.reason}`));
      case 'start':
        this.#isStarted = true;
        return local.start(message.start, this.#events);
      case 'signal':
        return local.signal(message.signal);
      case 'stop':
        await local.stop(message.isNow);
        return this.#connection.send({ kind: 'stopped' });
      case 'say':
        return local.say(message.text);
      case 'end':
        if (message.code === EXIT_BAD_INPUT && message.text !== '')
          return this.#end(new InputError(message.text));
        return this.#end(message.code);
      default:
        message satisfies never;
    }
  }

  readonly #events: NodeEvents = {
    onExit: (exit) => this.#connection.send({ kind: 'exit', exit }),
    onBeats: (_, beats) => this.#connection.send({ kind: 'beats', beats: [...beats] }),
    onLost: () => {},
    onSignal: () => {},
  };

  async #loseNode0(why: string): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    const { local, address } = this.#options;
    local.say(
      `the launcher of node 0 (${showAddress(address)}) is gone: ${why}; the ranks of this node are ended`,
    );
    await local.stop(false);
    this.#close(EXIT_FAILURE);
  }

  /** At once, by the user's wish. */
  async #leave(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#options.local.stop(true);
    this.#close(EXIT_INTERRUPTED);
  }

  #end(ending: number | Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close(ending);
  }

  #close(ending: number | Error): void {
    clearInterval(this.#watch);
    this.#connection.close();
    this.#finish(ending);
  }
}
