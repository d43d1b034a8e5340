/** One rank: a process of its own session, so that a Ctrl-C of the terminal reaches the launcher alone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Readable } from 'node:stream';
import { LAUNCHER_PIPE, parseBeat } from './beat.js';
import type { HandedSignal, NodeStart, RankBeat, RankExit, RankStart } from './protocol.js';
import { RankOutput, type Terminal } from './rank-output.js';

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

export interface RankProcessOptions {
  readonly program: Program;
  readonly environment: NodeJS.ProcessEnv;
  readonly logDir: string | undefined;
  /** Takes what rank 0 prints. */
  readonly terminal: Terminal;
}

/** The descriptor of the pipe to the launcher, in the rank. */
const PIPE = 3;
/** What a rank printed last may still be on its way when it has ended; what it started may hold its pipes open. */
const DRAIN_MILLISECONDS = 300;

export class RankProcess {
  readonly #rank: RankStart;
  readonly #start: NodeStart;
  readonly #process: ChildProcess;
  readonly #output: RankOutput;
  readonly #isShown: boolean;
  readonly #started = performance.now();
  #lastBeat: number | undefined;
  #mark: { readonly step: number; readonly phase: string; readonly at: number } | undefined;
  #hasEnded = false;

  /** @param onExit once, when it has ended and its output has come */
  constructor(
    rank: RankStart,
    start: NodeStart,
    { program, environment, logDir, terminal }: RankProcessOptions,
    onExit: (exit: RankExit) => void,
  ) {
    this.#rank = rank;
    this.#start = start;
    this.#isShown = rank.rank === 0;
    // A program of another session may not read from the terminal.
    const stdin = this.#isShown && process.stdin.isTTY !== true ? 'inherit' : 'ignore';
    this.#process = spawn(program.file, [...program.args], {
      detached: true,
      stdio: [stdin, 'pipe', 'pipe', 'pipe'],
      env: { ...environment, [LAUNCHER_PIPE]: String(PIPE) },
    });
    this.#output = new RankOutput({
      rank: rank.rank,
      logDir,
      terminal: this.#isShown ? terminal : undefined,
      heading:
        `--- xinghe launch: rank ${rank.rank} of ${start.worldSize}, start ${start.restart + 1}, ` +
        `process ${this.pid}, ${new Date().toISOString()}`,
    });
    this.#readOutput();
    this.#awaitEnd(onExit);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  signal(signal: HandedSignal): void {
    if (!this.#hasEnded) this.#process.kill(signal);
  }

  /** With all that it started. */
  kill(): void {
    if (!this.#hasEnded) this.#killGroup();
  }

  beat(): RankBeat {
    const now = performance.now();
    const mark = this.#mark;
    return {
      rank: this.#rank.rank,
      node: this.#start.node,
      pid: this.pid,
      silence: (now - (this.#lastBeat ?? this.#started)) / 1000,
      hasBeaten: this.#lastBeat !== undefined,
      isStopped: isStopped(this.pid),
      ...(mark === undefined
        ? {}
        : { mark: { step: mark.step, phase: mark.phase, seconds: (now - mark.at) / 1000 } }),
    };
  }

  /** Time in which nobody could hear the rank does not count. */
  forgive(milliseconds: number): void {
    if (this.#lastBeat !== undefined) this.#lastBeat += milliseconds;
    if (this.#mark !== undefined) this.#mark = { ...this.#mark, at: this.#mark.at + milliseconds };
  }

  #readOutput(): void {
    const { stdout, stderr, stdio } = this.#process;
    if (stdout !== null) this.#output.read('stdout', stdout);
    if (stderr !== null) this.#output.read('stderr', stderr);
    const pipe = stdio[PIPE];
    if (pipe !== null && pipe !== undefined && 'read' in pipe) this.#readBeats(pipe);
  }

  #readBeats(pipe: Readable): void {
    let rest = '';
    pipe.setEncoding('utf8').on('data', (text: string) => {
      this.#lastBeat = performance.now();
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      const last = lines.at(-1);
      if (last !== undefined) this.#takeBeat(last);
    });
    pipe.on('error', () => undefined);
  }

  #takeBeat(line: string): void {
    const beat = parseBeat(line);
    if (beat === undefined) return;
    const { step, phase, seconds } = beat;
    this.#mark = { step, phase, at: performance.now() - seconds * 1000 };
  }

  #awaitEnd(onExit: (exit: RankExit) => void): void {
    let isTold = false;
    const tell = (code: number | null, signal: string | null, ended: number): void => {
      if (isTold) return;
      isTold = true;
      onExit({
        rank: this.#rank.rank,
        node: this.#start.node,
        host: hostname(),
        pid: this.pid,
        code,
        signal,
        seconds: (ended - this.#started) / 1000,
        ago: performance.now() - ended,
        lines: this.#isShown ? [] : this.#output.lines.read(),
      });
    };
    this.#process.on('error', (error) => {
      if (this.#process.pid !== undefined) return;
      this.#hasEnded = true;
      this.#output.lines.add('stderr', `the process could not be started: ${error.message}\n`);
      tell(1, null, performance.now());
    });
    this.#process.on('exit', (code, signal) => {
      const ended = performance.now();
      // What it started would go on without it.
      if (code !== 0) this.#killGroup();
      this.#hasEnded = true;
      // What a rank printed that is done is waited for, however slowly it is read.
      const timer = code === 0 ? undefined : setTimeout(() => tell(code, signal, ended), DRAIN_MILLISECONDS);
      this.#process.on('close', () => {
        clearTimeout(timer);
        tell(code, signal, ended);
      });
    });
  }

  #killGroup(): void {
    if (this.#process.pid === undefined) return;
    try {
      process.kill(-this.#process.pid, 'SIGKILL');
    } catch {
      // There is nobody left in it.
    }
  }
}

/** As Linux tells it; elsewhere not known. */
function isStopped(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return /^[Tt]/.test(status.slice(status.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
