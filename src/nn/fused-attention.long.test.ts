/** The causal attention kernel as processors without AVX-512 have it. */
import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';

const vitest = 'node_modules/vitest/vitest.mjs';

it.runIf(process.arch === 'x64')(
  'agrees with the formula in AVX2',
  () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [vitest, 'run', '--maxWorkers=1', 'src/nn/fused-attention.test.ts'],
      { env: { ...process.env, ATEN_CPU_CAPABILITY: 'avx2' }, encoding: 'utf8' },
    );
    expect(stdout).toContain('passed');
    expect(status).toBe(0);
  },
  120_000,
);
