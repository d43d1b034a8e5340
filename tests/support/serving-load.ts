/** Runs bench/serving-load.mjs and gives its report. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bench/serving-load.mjs', import.meta.url));

export interface LoadReport {
  readonly tokensPerSecond: number;
  readonly firstTokenMs: { readonly p50: number; readonly p99: number };
  readonly betweenTokensMs: { readonly p50: number; readonly p99: number };
  /** How often each outcome came. */
  readonly counts: Readonly<Record<string, number>>;
  /** What should not have been, the first ones of each kind. */
  readonly wrong: readonly string[];
}

export function runLoad(streams: number, seconds: number): Promise<LoadReport> {
  const args = ['--streams', String(streams), '--seconds', String(seconds), '--json'];
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, OMP_NUM_THREADS: '1', XINGHE_LINEAR: 'blas' },
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (stdout === '') reject(new Error(`the load program ended with ${code}`));
      else resolve(JSON.parse(stdout) as LoadReport); // ours, and read as such
    });
  });
}
