/** Where the launchers of all nodes meet; served by node 0's. */
import { createServer, type Server, type Socket } from 'node:net';
import { InputError, isSystemError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { Connection } from './connection.js';
import type { Member, Roster } from './coordinate.js';
import type { LocalNode } from './local-node.js';
import { interfaceOf } from './network-interface.js';
import type { NodeShare } from './plan-starts.js';
import { type FromNode, type Join, parseFromNode, type ToNode } from './protocol.js';
import { RemoteNode } from './remote-node.js';
import { type RendezvousAddress, showAddress } from './rendezvous-address.js';

export interface RendezvousOptions {
  readonly address: RendezvousAddress;
  /** Nodes in all. */
  readonly nodes: number;
  readonly local: LocalNode;
  readonly share: NodeShare;
  readonly version: string;
  /** Seconds for all to come. */
  readonly timeout: number;
}

const PING_MILLISECONDS = 5_000;
/** Between the connection and what it is. */
const JOIN_MILLISECONDS = 30_000;

export class Rendezvous implements Roster {
  onLost: (node: number, why: string) => void = () => {};
  readonly #options: RendezvousOptions;
  readonly #server: Server;
  readonly #remotes = new Map<number, RemoteNode>();
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  readonly #pings = setInterval(() => {
    for (const remote of this.#remotes.values()) remote.ping();
  }, PING_MILLISECONDS);

  private constructor(options: RendezvousOptions, server: Server) {
    this.#options = options;
    this.#server = server;
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** @throws InputError if the port is taken */
  static async serve(options: RendezvousOptions): Promise<Rendezvous> {
    const { host, port } = options.address;
    const server = createServer();
    try {
      await listen(server, host, port);
    } catch (error) {
      // A name of a service that stands before this machine; whoever asks for it comes here.
      if (!isSystemError(error) || !['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'].includes(error.code))
        throw refusal(options.address, error);
      log(
        `xinghe launch: ${host} is no address of this machine; the rendezvous listens on all of them, port ${port}`,
      );
      await listen(server, undefined, port).catch((again: unknown) => {
        throw refusal(options.address, again);
      });
    }
    return new Rendezvous(options, server);
  }

  async gather(): Promise<readonly Member[]> {
    const { timeout, local, share } = this.#options;
    if (this.#missing().length > 0) {
      const arrival = new Promise<void>((resolve, reject) => {
        this.#waiting = { resolve, reject };
      });
      const timer = setTimeout(() => this.#waiting?.reject(this.#tooLate()), timeout * 1000);
      try {
        await arrival;
      } finally {
        clearTimeout(timer);
        this.#waiting = undefined;
      }
    }
    const remotes = [...this.#remotes.values()].sort((one, other) => one.node - other.node);
    return [
      { node: local, ...share },
      ...remotes.map((node) => ({ node, nproc: node.join.nproc, table: node.join.table })),
    ];
  }

  /** The nodes that wait yet are told. */
  close(code: number, reason = ''): void {
    clearInterval(this.#pings);
    for (const remote of this.#remotes.values()) remote.end(code, reason);
    this.#server.close();
  }

  #missing(): number[] {
    return Array.from({ length: this.#options.nodes - 1 }, (_, index) => index + 1).filter(
      (node) => !this.#remotes.has(node),
    );
  }

  #tooLate(): InputError {
    const { address, nodes, timeout } = this.#options;
    const missing = this.#missing();
    return new InputError(
      `xinghe launch: node ${missing.join(', ')} of ${nodes} did not come to the rendezvous ${showAddress(address)} within ${timeout} s (--timeout); ` +
        `start it with --nnodes ${nodes} --node-rank ${missing[0] ?? 1} --rendezvous ${showAddress(address)}.`,
    );
  }

  #accept(socket: Socket): void {
    let remote: RemoteNode | undefined;
    const peer = socket.remoteAddress ?? 'somewhere';
    const timer = setTimeout(() => socket.destroy(), JOIN_MILLISECONDS);
    const connection = new Connection<FromNode, ToNode>(socket, {
      parse: parseFromNode,
      onMessage: (message) => {
        if (remote !== undefined) remote.take(message);
        else if (message.kind === 'join') {
          clearTimeout(timer);
          remote = this.#admit(message, connection);
        }
      },
      onClose: (why) => {
        clearTimeout(timer);
        if (remote === undefined) return;
        remote.lose();
        if (this.#remotes.get(remote.node) !== remote) return;
        this.#remotes.delete(remote.node);
        this.onLost(remote.node, `its launcher (${remote.join.host}, ${peer}) is gone: ${why}`);
      },
    });
  }

  #admit(join: Join, connection: Connection<FromNode, ToNode>): RemoteNode | undefined {
    const fault = this.#faultOf(join);
    if (fault === undefined && !this.#remotes.has(join.node)) {
      const remote = new RemoteNode(join, connection);
      this.#remotes.set(join.node, remote);
      this.#options.local.networkInterface ??= interfaceOf(connection.localAddress);
      if (this.#missing().length === 0) this.#waiting?.resolve();
      return remote;
    }
    const reason =
      fault ??
      `there is a node ${join.node} already (${this.#remotes.get(join.node)?.join.host}); give each its own --node-rank.`;
    connection.send({ kind: 'refused', reason });
    connection.close();
    // Nodes that do not fit together do not come to fit by waiting.
    if (fault !== undefined) this.#waiting?.reject(new InputError(`xinghe launch: ${fault}`));
    return undefined;
  }

  #faultOf({ version, nodes, node, host, table }: Join): string | undefined {
    const own = this.#options;
    const who = `node ${node} (${host})`;
    if (version !== own.version)
      return `${who} has xinghe ${version} and node 0 has ${own.version}; all nodes need the same.`;
    if (nodes !== own.nodes)
      return `${who} was started with --nnodes ${nodes} and node 0 with --nnodes ${own.nodes}; all nodes need the same.`;
    if (node < 1 || node >= nodes)
      return `${who}: the nodes beside node 0 are 1 to ${nodes - 1}; give each its own --node-rank.`;
    if ((table === undefined) !== (own.share.table === undefined))
      return `${who} was started ${table === undefined ? 'without' : 'with'} --rank-table and node 0 was not so; all nodes need the same.`;
    return undefined;
  }
}

function listen(server: Server, host: string | undefined, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function refusal(address: RendezvousAddress, error: unknown): InputError {
  const problem =
    isSystemError(error) && error.code === 'EADDRINUSE'
      ? 'the port is in use: another run, or another program, listens there; give another port on every node'
      : error instanceof Error
        ? error.message
        : String(error);
  return new InputError(`xinghe launch: --rendezvous ${showAddress(address)}: ${problem}.`);
}
