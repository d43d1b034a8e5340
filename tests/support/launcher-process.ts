/** The launcher as a process of its own, over ranks that are small programs of a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchOptions } from '../../src/distributed/index.js';
import { until } from './served-process.js';

/** The compiled modules: threads and processes run those alone. */
const compiled = new URL('../../dist/distributed/launch/launch.js', import.meta.url).href;

const launcher = `
import { launch } from ${JSON.stringify(compiled)};
process.exitCode = await launch(JSON.parse(process.argv[1])).catch((error) => {
  process.stderr.write(error.message + '\\n');
  return error.name === 'InputError' ? 2 : 1;
});
`;

/** What a rank's program finds: rank, size, environment, sleep, and what a rank tells its launcher. */
const preamble = `
import { appendFileSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { heartbeat, startHeartbeat } from ${JSON.stringify(new URL('../../dist/distributed/launch/heartbeat.js', import.meta.url).href)};
const environment = process.env;
const rank = Number(environment.RANK);
const size = Number(environment.WORLD_SIZE);
const restart = Number(environment.TORCHELASTIC_RESTART_COUNT);
const folder = environment.TEST_FOLDER;
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const block = (milliseconds) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
appendFileSync(join(folder, 'pids'), process.pid + '\\n');
const arrived = (name) => appendFileSync(join(folder, name), rank + '\\n');
const allArrived = async (name, count = size) => {
  while (!existsSync(join(folder, name)) || readFileSync(join(folder, name), 'utf8').trim().split('\\n').length < count) await sleep(5);
};
`;

export interface LauncherExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Since the last signal that was sent to it, else since its start. */
  readonly seconds: number;
}

/** A folder for the programs of one test file and for what they write. */
export class LauncherFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'xinghe-launch-'));
  #count = 0;

  /** A folder of its own for one run. */
  fresh(): string {
    return mkdtempSync(join(this.path, 'run-'));
  }

  /** @param source a module; see the preamble @returns the file */
  program(source: string): string {
    const file = join(this.path, `rank-${this.#count++}.mjs`);
    writeFileSync(file, preamble + source);
    return file;
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface LauncherOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly stdin?: string;
  /** What it prints to stdout is read a while later. */
  readonly isSlow?: boolean;
  /** In front of the launcher: `ip netns exec host`. */
  readonly prefix?: readonly string[];
}

export class LauncherProcess {
  readonly #process: ChildProcess;
  readonly exit: Promise<LauncherExit>;
  stdout = '';
  stderr = '';
  #since = performance.now();

  constructor(
    options: LaunchOptions,
    folder: string,
    { environment = {}, stdin, prefix = [], isSlow = false }: LauncherOptions = {},
  ) {
    const words = [
      ...prefix,
      process.execPath,
      '--input-type=module',
      '-e',
      launcher,
      JSON.stringify(options),
    ];
    this.#process = spawn(words[0] ?? '', words.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: '1', TEST_FOLDER: folder, ...environment },
    });
    this.#process.stdin?.end(stdin ?? '');
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    if (isSlow) {
      this.#process.stdout?.pause();
      setTimeout(() => this.#process.stdout?.resume(), 2_500);
    }
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exit = new Promise((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('close', (code, signal) =>
        resolve({
          code,
          signal,
          stdout: this.stdout,
          stderr: this.stderr,
          seconds: (performance.now() - this.#since) / 1000,
        }),
      );
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#since = performance.now();
    this.#process.kill(signal);
  }

  async says(text: string): Promise<void> {
    await until(() => this.stderr.includes(text), `"${text}"; stderr: ${this.stderr}`);
  }
}
