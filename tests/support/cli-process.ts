/** A command of `xinghe` as a process of its own: the compiled one, without the set-up of bin/xinghe. */
import { type ChildProcess, spawn } from 'node:child_process';

const program = `
import { main } from ${JSON.stringify(new URL('../../dist/cli/main.js', import.meta.url).href)};
process.exitCode = await main(process.argv.slice(1));
`;

export interface CliExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly child: ChildProcess;
  readonly exit: Promise<CliExit>;
}

export function startCli(args: readonly string[], { cwd }: { readonly cwd?: string } = {}): CliProcess {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, '--', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas' },
    ...(cwd !== undefined && { cwd }),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exit = new Promise<CliExit>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, exit };
}
