/**
 * Runs Python programs that nobody vouches for: no network, no files but a small folder of their own, limits of time and memory, no
 * processes, an interpreter each. Passed is only what reached its end, proven by a secret that is let go there.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { InputError } from '../../errors/index.js';
import type { ProgramVerdict } from '../task.js';
import { type Confinement, findConfinement, UNCONFINED } from './confinement.js';
import { CONFINE, HARNESS } from './harness.js';
import { ProgramClock } from './program-clock.js';

export interface SandboxOptions {
  /** The interpreter. Default python3 of the PATH. */
  readonly python?: string | undefined;
  /** Run without any sandbox where none works here. Default false. */
  readonly mayRunUnconfined?: boolean | undefined;
  /** Seconds that a program may take. Default 3, as the original's. */
  readonly seconds?: number | undefined;
  /** Default: the first that works. */
  readonly confinement?: Confinement | undefined;
}

/** Seconds until the interpreter must stand ready; beyond that it is the machine's fault, not the program's. */
const START_SECONDS = 60;
const MEMORY_BYTES = 2 * 2 ** 30;

export class PythonSandbox {
  readonly #python: string;
  readonly #confinement: Confinement;
  readonly #seconds: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @throws InputError where there is no interpreter, or no sandbox and nobody said that it may be done without */
  constructor({
    python = 'python3',
    mayRunUnconfined = false,
    seconds = 3,
    confinement,
  }: SandboxOptions = {}) {
    const { executable, folders } = findPython(python);
    const found = confinement ?? findConfinement(folders, (each) => isSound(each, executable));
    if (found === undefined && !mayRunUnconfined)
      throw new InputError(
        'the programs of this set would run on your machine as you: no sandbox works here. Install bubblewrap, allow user ' +
          'namespaces (unshare), or say --run-code-unsafely in a machine that you can lose.',
      );
    this.#python = executable;
    this.#confinement = found ?? UNCONFINED;
    this.#seconds = seconds;
  }

  get confinement(): Confinement['name'] {
    return this.#confinement.name;
  }

  dispose(): void {
    this.#confinement.dispose();
  }

  /** As many at a time as there are cores; the others wait. */
  async run(program: string): Promise<ProgramVerdict> {
    while (this.#running >= availableParallelism())
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      return await this.#runOne(program);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #runOne(program: string): Promise<ProgramVerdict> {
    const secret = randomBytes(24).toString('hex');
    const limits = [String(Math.ceil(this.#seconds) + 2), String(MEMORY_BYTES)];
    const [command = '', ...args] = this.#confinement.wrap([
      this.#python,
      '-I',
      '-c',
      CONFINE,
      ...limits,
      this.#confinement.oldRoot,
      HARNESS,
    ]);
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe', 'pipe'], detached: true });
    const [input, , errors, report] = child.stdio;
    if (!isWritable(input) || !isReadable(errors) || !isReadable(report))
      throw new Error('a child without its pipes');
    input.on('error', () => {}); // One that died before it read.
    input.end(JSON.stringify({ program, secret }));
    const { told, said, ended } = await this.#watch(child, report, errors);
    if (told.startsWith(READY)) return verdictOf(told.slice(READY.length), secret, ended);
    throw new Error(
      `the sandbox (${this.confinement}) did not start a program: ${said.slice(-500) || ended}`,
    );
  }

  /** @returns what was told on the pipe until the process ended or its time was over */
  async #watch(
    child: ChildProcess,
    report: Readable,
    errors: Readable,
  ): Promise<{ told: string; said: string; ended: 'ended' | 'timed out' }> {
    let [told, said] = ['', ''];
    let ended: 'ended' | 'timed out' = 'ended';
    const kill = (): void => {
      ended = 'timed out';
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    let timer = setTimeout(kill, START_SECONDS * 1000);
    report.setEncoding('utf8').on('data', (piece: string) => {
      if (told.length === 0 && piece.startsWith(READY)) {
        clearTimeout(timer);
        const clock = new ProgramClock(child.pid);
        const check = (): void => {
          const left = this.#seconds - clock.seconds();
          if (left <= 0) kill();
          else timer = setTimeout(check, left * 1000);
        };
        timer = setTimeout(check, this.#seconds * 1000);
      }
      // What a program writes there without end is not kept.
      if (told.length < 4096) told += piece;
    });
    errors.setEncoding('utf8').on('data', (piece: string) => {
      if (said.length < 4096) said += piece;
    });
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', () => resolve());
    }).finally(() => clearTimeout(timer));
    return { told, said, ended };
  }
}

const READY = 'ready\n';

function verdictOf(told: string, secret: string, ended: 'ended' | 'timed out'): ProgramVerdict {
  if (ended === 'timed out') return { hasPassed: false, outcome: 'timed out' };
  if (told === secret) return { hasPassed: true, outcome: 'passed' };
  const failure = /^failed: ([A-Za-z_]\w*)\n$/.exec(told)?.[1];
  return { hasPassed: false, outcome: `failed: ${failure ?? 'ended before its end'}` };
}

/** The interpreter itself, not a shim of it, and the folders that it lives in. */
function findPython(python: string): { readonly executable: string; readonly folders: readonly string[] } {
  const program =
    'import sys; print("\\n".join([sys.executable, sys.prefix, sys.base_prefix, sys.base_exec_prefix]))';
  const result = spawnSync(python, ['-I', '-c', program], { encoding: 'utf8', timeout: 30_000 });
  const [executable, ...prefixes] = (result.stdout ?? '').trim().split('\n');
  if (result.status !== 0 || executable === undefined || executable === '')
    throw new InputError(
      `the programs of this set need Python 3, and ${python} does not run; install it, or name one with --python.`,
    );
  const folders = [...new Set(prefixes)].filter((folder) => folder !== '' && !/^\/usr(\/|$)/.test(folder));
  return { executable, folders };
}

/** A command runs in it, with the limits, and cannot see what lies outside. */
function isSound({ wrap, oldRoot }: Confinement, python: string): boolean {
  const [program = '', ...args] = wrap([
    python,
    '-I',
    '-c',
    CONFINE,
    '10',
    String(MEMORY_BYTES),
    oldRoot,
    'print("sound")',
    'check',
  ]);
  const result = spawnSync(program, args, { encoding: 'utf8', timeout: 30_000 });
  return result.status === 0 && result.stdout.trim() === 'sound';
}

function isReadable(stream: Readable | Writable | null | undefined): stream is Readable {
  return stream !== null && stream !== undefined && 'read' in stream;
}

function isWritable(stream: Readable | Writable | null | undefined): stream is Writable {
  return stream !== null && stream !== undefined && 'write' in stream;
}
