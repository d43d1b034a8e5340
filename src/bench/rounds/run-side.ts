/** Runs a side as a process group of its own, watches its memory, and reads the JSON of its last line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { InputError, InterruptedError, messageOf } from '../../errors/index.js';
import type { Side, SideRun } from './side.js';

/** Of what a program printed, shown where it is of no use. */
const LAST_LINES = 20;
const MEMORY_INTERVAL = 20;
/** Of stdout and stderr each. */
const KEPT_CHARACTERS = 1 << 20;
/** What is asked to end has so long for it. */
const GRACE_MILLISECONDS = 3000;
const EXIT_BAD_INPUT = 2;

/**
 * @param keys numbers that must be in its JSON
 * @throws InputError for a peer that cannot be started, fails, or prints no such JSON (with its last lines), and for what our
 *   own side refuses; InterruptedError once `signal` is aborted, when the process and its children have ended
 */
export async function runSide(side: Side, keys: readonly string[], signal: AbortSignal): Promise<SideRun> {
  if (signal.aborted) throw interrupted();
  side.prepare?.();
  const ended = await runProcess(side, signal);
  if (signal.aborted) throw interrupted();
  if (ended.code !== 0) throw failure(side, ended);
  const printed = lastJson(ended.stdout);
  if (printed === undefined)
    throw fault(side, 'printed no JSON object in its last line', ended.stdout || ended.stderr);
  for (const key of keys) {
    const value = printed[key];
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw fault(
        side,
        `printed a JSON object ${value === undefined ? 'without' : `with ${JSON.stringify(value)} as`} "${key}", which is to be a number`,
        ended.stdout,
      );
  }
  return { printed, processSeconds: ended.seconds, peakMemoryMiB: ended.peakMemoryMiB };
}

export function interrupted(): InterruptedError {
  return new InterruptedError('bench: interrupted; nothing was kept');
}

interface EndedProcess {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  readonly peakMemoryMiB: number | undefined;
}

function runProcess(side: Side, signal: AbortSignal): Promise<EndedProcess> {
  const { command, args, cwd, env } = side;
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that its children end with it.
      detached: true,
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = (stdout + text).slice(-KEPT_CHARACTERS);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-KEPT_CHARACTERS);
    });
    let peak: number | undefined;
    const timer = setInterval(() => {
      peak = memoryPeakOf(child.pid) ?? peak;
    }, MEMORY_INTERVAL);
    const stop = () => endGroup(child);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const finish = () => {
      clearInterval(timer);
      signal.removeEventListener('abort', stop);
    };
    child.on('error', (error) => {
      finish();
      reject(fault(side, `cannot be started: ${messageOf(error)}`, ''));
    });
    child.on('close', (code, killedBy) => {
      finish();
      // Whatever it has left in its group.
      signalGroup(child, 'SIGKILL');
      const seconds = (performance.now() - started) / 1000;
      resolve({ code, killedBy, stdout, stderr, seconds, peakMemoryMiB: peak });
    });
  });
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MILLISECONDS);
  child.on('close', () => clearTimeout(timer));
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

/** MiB; the kernel's own figure, which only grows. */
function memoryPeakOf(pid: number | undefined): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
  } catch {
    return undefined;
  }
}

function lastJson(stdout: string): Record<string, unknown> | undefined {
  const line = stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value))
      : undefined;
  } catch {
    return undefined;
  }
}

/** What our own side says goes to the user as it is: it is about the model or the file that he named. */
function failure(side: Side, { code, killedBy, stdout, stderr }: EndedProcess): Error {
  if (side.option === undefined && code === EXIT_BAD_INPUT) return new InputError(stderr.trim());
  return fault(
    side,
    code === null ? `was ended by ${killedBy}` : `ended with exit code ${code}`,
    stderr || stdout,
  );
}

/** Of a peer the user's to put right; of ours a fault. */
function fault({ name, option }: Side, problem: string, output: string): Error {
  const lines = output.trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  const message = `${option ?? name} ${problem}${lines === '' ? '' : `; its last lines:\n${lines}`}`;
  return option === undefined ? new Error(message) : new InputError(message);
}
