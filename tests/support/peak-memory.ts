/** The most memory that a process has had. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { startCli } from './cli-process.js';

/** VmHWM of a command of ours that must succeed, in bytes (Linux). */
export async function peakMemoryOf(args: readonly string[]): Promise<number> {
  const { child, exit } = startCli(args);
  let peak = 0;
  const timer = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peak = Math.max(peak, 1024 * Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1] ?? 0));
    } catch {
      // It has ended.
    }
  }, 20);
  const { code, stderr } = await exit;
  clearInterval(timer);
  expect(code, stderr).toBe(0);
  return peak;
}
