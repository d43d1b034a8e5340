/** The archive of tools/gpu-check.mjs, unpacked and run on the CPU with nothing but Python, PyTorch and a compiler: no network, no Node, no home. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const program = fileURLToPath(new URL('../tools/gpu-check.mjs', import.meta.url));
const python = referencePython();
const folder = mkdtempSync(join(tmpdir(), 'xinghe-gpu-check-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with all programs of the system but Node. */
function programsWithoutNode(): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of readdirSync('/usr/bin'))
    if (!/^(node|nodejs|npm|npx)$/.test(name)) symlinkSync(join('/usr/bin', name), join(bin, name));
  return bin;
}

test('packed, unpacked and run', requiresPython(python), () => {
  const archive = join(folder, 'check.tar.gz');
  execFileSync(process.execPath, [program, 'pack', '--output', archive], { stdio: 'inherit' });
  expect(statSync(archive).size).toBeLessThanOrEqual(60e6);
  execFileSync('tar', ['-C', folder, '-xf', archive]);
  const report = join(folder, 'report.md');
  const script = join(folder, 'xinghe-gpu-check', 'run.sh');
  const { PYTHON, PATH, HOME } = {
    PYTHON: python ?? '',
    PATH: programsWithoutNode(),
    HOME: join(folder, 'no-home'),
  };
  const run = ['sh', script, '--device', 'cpu', '--seconds', '2400', '--output', report];
  const hasNamespaces = spawnSync('unshare', ['-n', 'true']).status === 0;
  const { status, stdout } = spawnSync('env', [...(hasNamespaces ? ['unshare', '-n'] : []), ...run], {
    env: { PYTHON, PATH, HOME },
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const text = readFileSync(report, 'utf8');
  expect(stdout.trim()).toBe(text.trim());
  expect(text).toMatch(/tests passed, 0 failed, 0 did not run/);
  expect(text).toMatch(/\| Xinghe \| [\d.]+ \| \d+ \|/);
  expect(text).toMatch(/\| bfloat16 \| Xinghe \| [\d.]+ \|/);
  expect(text).toMatch(/\| int4 \| Xinghe \| [\d.]+ \|/);
  expect(text).toMatch(/bfloat16: [\d.]+x PyTorch/);
  expect(status).toBe(0);
  // Nothing was written where a home would be.
  expect(statSync(HOME, { throwIfNoEntry: false })).toBeUndefined();
});
