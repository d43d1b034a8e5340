/** Runs one command as several ranks, on this machine or on several, and stands by until they have ended. */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { productVersion } from '../../config/index.js';
import { InputError, messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { coordinate, type Member, type Roster } from './coordinate.js';
import { EXIT_BAD_INPUT } from './failure.js';
import { followRendezvous } from './follow-rendezvous.js';
import { LauncherSignals } from './launcher-signals.js';
import { LocalNode } from './local-node.js';
import { interfaceOf } from './network-interface.js';
import type { NodeShare } from './plan-starts.js';
import type { Program } from './rank-process.js';
import { Rendezvous } from './rendezvous.js';
import type { RendezvousAddress } from './rendezvous-address.js';

export interface LaunchOptions {
  /** What the ranks are; the command stands behind its arguments. */
  readonly program: Program;
  readonly command: readonly string[];
  /** Ranks of this machine. */
  readonly nproc: number;
  /** Machines. Default 1. */
  readonly nodes?: number | undefined;
  /** Which of them this is. */
  readonly nodeRank?: number | undefined;
  /** Where the launchers of several machines meet: an address of node 0's. */
  readonly rendezvous?: RendezvousAddress | undefined;
  /** Default 0. */
  readonly maxRestarts?: number | undefined;
  /** rank_{i}/stdout and stderr in it. */
  readonly logDir?: string | undefined;
  /** Seconds: of a rank without a sign of life, of all without progress, of the rendezvous. Default 600. */
  readonly timeout?: number | undefined;
  /** Of a rank table: its file, and the ranks and devices of this machine. */
  readonly rankTable?: { readonly file: string; readonly ranks: NonNullable<NodeShare['table']> } | undefined;
  /** Before the first restart, in milliseconds. Default 1000. */
  readonly firstDelay?: number | undefined;
}

/**
 * What rank 0 prints goes to stdout and stderr.
 * @returns the exit code: 0, the first failing rank's, 1 for a rank that was killed or hangs, 130 interrupted
 * @throws InputError if the launchers of several machines do not meet, or the logs cannot be written
 */
export async function launch(options: LaunchOptions): Promise<number> {
  const { nproc, nodes = 1, nodeRank = 0, rendezvous, timeout = 600, rankTable } = options;
  const threads = shareThreads(nproc);
  prepareLogs(options.logDir);
  const local = new LocalNode(nodeRank, {
    program: options.program,
    command: options.command,
    logDir: options.logDir,
    terminal: { stdout: process.stdout, stderr: process.stderr },
    threads,
    rankTable: rankTable?.file,
  });
  const share: NodeShare = { nproc, table: rankTable?.ranks };
  const signals = new LauncherSignals();
  const run = {
    signals,
    run: randomUUID(),
    timeout,
    maxRestarts: options.maxRestarts ?? 0,
    firstDelay: options.firstDelay ?? 1_000,
  };
  try {
    if (rendezvous === undefined || nodes === 1) {
      local.networkInterface = interfaceOf('127.0.0.1');
      return await coordinate({
        ...run,
        roster: new OneNode({ node: local, ...share }),
        masterAddress: '127.0.0.1',
      });
    }
    const meeting = { address: rendezvous, nodes, local, share, version: productVersion(), timeout };
    if (nodeRank > 0) return await followRendezvous({ ...meeting, signals });
    const roster = await Rendezvous.serve(meeting);
    try {
      const code = await coordinate({ ...run, roster, masterAddress: rendezvous.host });
      roster.close(code);
      return code;
    } catch (error) {
      roster.close(EXIT_BAD_INPUT, messageOf(error));
      throw error;
    }
  } finally {
    signals.dispose();
  }
}

class OneNode implements Roster {
  readonly #member: Member;
  onLost = (): void => {};

  constructor(member: Member) {
    this.#member = member;
  }

  gather(): Promise<readonly Member[]> {
    return Promise.resolve([this.#member]);
  }
}

/** The cores among the ranks, unless the user has said. */
function shareThreads(nproc: number): number {
  const stated = process.env.OMP_NUM_THREADS;
  const cores = availableParallelism();
  if (stated !== undefined && /^[1-9]\d{0,3}$/.test(stated)) return Number(stated);
  const threads = Math.max(1, Math.floor(cores / nproc));
  log(
    `xinghe launch: ${nproc} ${nproc === 1 ? 'rank' : 'ranks'} on ${cores} cores, ${threads} ${threads === 1 ? 'thread' : 'threads'} each (OMP_NUM_THREADS says otherwise)`,
  );
  return threads;
}

function prepareLogs(logDir: string | undefined): void {
  if (logDir === undefined) return;
  try {
    mkdirSync(logDir, { recursive: true });
  } catch (error) {
    throw new InputError(`xinghe launch: --log-dir ${logDir}: ${messageOf(error)}.`);
  }
}
