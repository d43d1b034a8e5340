/** `xinghe serve` as a process of its own, for tests: started on a free port, talked to, watched, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The compiled command itself: bin/xinghe might begin with a set-up, which is not what is tested here. */
const program = `
import { main } from ${JSON.stringify(new URL('../../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));
`;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export class ServedProcess {
  readonly #process: ChildProcess;
  readonly exit: Promise<Exit>;
  stderr = '';
  url = '';

  /** @param launch what stands before `serve`: a launcher and its options. Default: nothing */
  constructor(args: readonly string[], environment: NodeJS.ProcessEnv = {}, launch: readonly string[] = []) {
    const command = [...launch, 'serve', ...args];
    this.#process = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...command], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas', ...environment },
    });
    this.exit = new Promise((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('close', (code, signal) => resolve({ code, signal, stderr: this.stderr }));
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.url ||= /at (http:\/\/\S+)\/v1 /.exec(this.stderr)?.[1] ?? '';
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** The engine's process: the only child of the server's. */
  get enginePid(): number | undefined {
    const children = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim();
    return children === '' ? undefined : Number(children.split(' ')[0]);
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async listening(): Promise<void> {
    await until(
      () => this.url !== '' || this.#process.exitCode !== null,
      `an address; stderr: ${this.stderr}`,
    );
    if (this.url === '') throw new Error(`it ended: ${this.stderr}`);
  }

  async ready(): Promise<void> {
    await this.listening();
    await until(async () => (await this.health()) === 200, `health 200; stderr: ${this.stderr}`);
  }

  async health(): Promise<number> {
    return (await fetch(`${this.url}/health`)).status;
  }

  post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', ...Object(init.headers) },
    });
  }

  /** The names of the models, in order. */
  async models(init: RequestInit = {}): Promise<unknown[]> {
    const list: unknown = await (await fetch(`${this.url}/v1/models`, init)).json();
    const data: unknown = Reflect.get(Object(list), 'data');
    return Array.isArray(data) ? data.map((model) => Reflect.get(Object(model), 'id')) : [];
  }

  /** The value of one series without regard to its labels; NaN where there is none. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:\\{[^\\n]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  /** Ends it if it runs. */
  async end(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) this.kill('SIGKILL');
    await this.exit;
  }
}

/** @throws Error after 20 s */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const start = performance.now(); !(await condition()); ) {
    if (performance.now() - start > 60_000) throw new Error(`not within 60 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Is there such a process, a zombie included? */
export function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** The payloads of an event stream that has ended. */
export function eventsOf(text: string): string[] {
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, payload]) => payload ?? '');
}
