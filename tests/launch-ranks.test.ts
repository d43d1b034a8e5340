/** The launcher as a user starts it; what happens when ranks fail, hang or are many is in src/distributed/launch/. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));

function launch(...command: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(program, ['launch', '--nproc', '2', '--', ...command], { encoding: 'utf8' });
}

test('what rank 0 prints is printed once', () => {
  const { status, stdout, stderr } = launch('train', '--help');
  expect(status, stderr).toBe(0);
  expect(stdout).toBe(spawnSync(program, ['train', '--help'], { encoding: 'utf8' }).stdout);
});

test('a command that every rank refuses ends with its message and exit code', () => {
  const { status, stdout, stderr } = launch('train', '--config', 'no/such.yaml');
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toContain('no/such.yaml');
  expect(stderr).not.toMatch(/\n\s+at /);
});
