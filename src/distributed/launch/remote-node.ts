/** The ranks of another machine, whose launcher has come to the rendezvous. */
import type { Connection } from './connection.js';
import type { LaunchNode, NodeEvents } from './launch-node.js';
import type { FromNode, HandedSignal, Join, NodeStart, ToNode } from './protocol.js';

/** Longer than its ranks have to end. */
const STOP_MILLISECONDS = 9_000;

export class RemoteNode implements LaunchNode {
  readonly join: Join;
  readonly #connection: Connection<FromNode, ToNode>;
  #events: NodeEvents | undefined;
  #stopped: (() => void) | undefined;
  isLost = false;

  constructor(join: Join, connection: Connection<FromNode, ToNode>) {
    this.join = join;
    this.#connection = connection;
  }

  get node(): number {
    return this.join.node;
  }

  /** A message of its launcher. */
  take(message: FromNode): void {
    switch (message.kind) {
      case 'join':
        return;
      case 'exit':
        this.#events?.onExit(message.exit);
        return;
      case 'beats':
        this.#events?.onBeats(this.node, message.beats);
        return;
      case 'signal':
        this.#events?.onSignal(message.signal);
        return;
      case 'stopped':
        this.#stopped?.();
        return;
      default:
        message satisfies never;
    }
  }

  lose(): void {
    this.isLost = true;
    this.#stopped?.();
  }

  ping(): void {
    this.#connection.send({ kind: 'ping' });
  }

  start(start: NodeStart, events: NodeEvents): void {
    this.#events = events;
    this.#connection.send({ kind: 'start', start });
  }

  signal(signal: HandedSignal): void {
    this.#connection.send({ kind: 'signal', signal });
  }

  stop(isNow: boolean): Promise<void> {
    this.#events = undefined;
    if (this.isLost) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, STOP_MILLISECONDS);
      this.#stopped = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#connection.send({ kind: 'stop', isNow });
    });
  }

  say(text: string): void {
    this.#connection.send({ kind: 'say', text });
  }

  end(code: number, text: string): void {
    this.#connection.send({ kind: 'end', code, text });
    this.#connection.close();
  }
}
