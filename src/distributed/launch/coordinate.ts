/** Starts the ranks of all nodes, again after failures, and says how it ended. */
import { setTimeout as wait } from 'node:timers/promises';
import { EXIT_BAD_INPUT, EXIT_INTERRUPTED, type Failure } from './failure.js';
import { findFreePort } from './free-port.js';
import type { LaunchNode } from './launch-node.js';
import type { LauncherSignals } from './launcher-signals.js';
import { type NodeShare, planStarts } from './plan-starts.js';
import { RunAttempt } from './run-attempt.js';

export interface Member extends NodeShare {
  readonly node: LaunchNode;
}

/** The nodes of a run. */
export interface Roster {
  /** All of them, by node; waits for those that are not there. @throws InputError when the time is over */
  gather(): Promise<readonly Member[]>;
  /** Of a node that was there and is not any more; who gathers next gets it. */
  onLost: (node: number, why: string) => void;
}

export interface CoordinateOptions {
  readonly roster: Roster;
  readonly signals: LauncherSignals;
  readonly run: string;
  readonly masterAddress: string;
  readonly maxRestarts: number;
  /** Seconds. */
  readonly timeout: number;
  /** Before the first restart, in milliseconds; doubled for each further one, up to 60 times as long. */
  readonly firstDelay: number;
}

const MOST_DELAYS = 60;

/** @returns the exit code; every node has been told */
export async function coordinate(options: CoordinateOptions): Promise<number> {
  const { roster, signals, maxRestarts, firstDelay } = options;
  for (let restart = 0; ; restart++) {
    const stopped = new AbortController();
    signals.receiver = { onSignal: () => stopped.abort(), onKill: () => stopped.abort() };
    const members = await untilStopped(roster.gather(), stopped.signal);
    if (members === undefined) return EXIT_INTERRUPTED;
    const { code, failure } = await startOnce(members, restart, options);
    const nodes = members.map(({ node }) => node);
    const left = maxRestarts - restart;
    if (failure === undefined || !isWorthRestart(failure) || signals.received !== undefined || left === 0) {
      if (failure !== undefined && maxRestarts > 0 && left === 0)
        say(nodes, `no restart is left of ${maxRestarts}`);
      for (const node of nodes) node.end(code, '');
      return code;
    }
    const delay = Math.min(2 ** restart, MOST_DELAYS) * firstDelay;
    say(
      nodes,
      `all ranks start again in ${delay / 1000} s; ${left - 1} of ${maxRestarts} restarts are left after that`,
    );
    signals.receiver = { onSignal: () => stopped.abort(), onKill: () => stopped.abort() };
    await untilStopped(
      wait(delay, undefined, { signal: stopped.signal }).catch(() => undefined),
      stopped.signal,
    );
    if (signals.received !== undefined) {
      const ending = signals.received === 'SIGINT' ? EXIT_INTERRUPTED : code;
      for (const node of nodes) node.end(ending, '');
      return ending;
    }
  }
}

async function startOnce(
  members: readonly Member[],
  restart: number,
  { roster, signals, run, masterAddress, maxRestarts, timeout }: CoordinateOptions,
) {
  const nodes = members.map(({ node }) => node);
  const starts = planStarts(members, {
    run,
    restart,
    maxRestarts,
    masterAddress,
    masterPort: await findFreePort(),
  });
  const attempt = new RunAttempt(nodes, { timeout, onFailure: (failure) => tell(nodes, failure) });
  roster.onLost = attempt.events.onLost;
  const result = attempt.run(starts);
  signals.receiver = {
    onSignal: (signal) => attempt.signal(signal),
    onKill: () => attempt.kill(),
  };
  return await result;
}

/** Bad input stays bad, and who interrupted it wants no more. */
function isWorthRestart({ code }: Failure): boolean {
  return code !== EXIT_BAD_INPUT && code !== EXIT_INTERRUPTED;
}

function tell(nodes: readonly LaunchNode[], { reason, details }: Failure): void {
  say(nodes, [`${reason}; all ranks are ended`, ...details].join('\n'));
}

function say(nodes: readonly LaunchNode[], text: string): void {
  for (const node of nodes) node.say(text);
}

/** undefined if the signal comes first. */
function untilStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const stop = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  // What comes of the work then concerns nobody.
  work.catch(() => undefined);
  return Promise.race([stop, work]);
}
