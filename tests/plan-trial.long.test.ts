/** The best layouts by the plan, run for some steps on this machine. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startCli } from './support/cli-process.js';
import { tinyRunModel } from './support/tiny-model.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-plan-trial-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const output = join(folder, 'run');
function configFile(name: string, changes: Record<string, unknown> = {}): string {
  const rows = join(folder, 'rows.jsonl');
  const lines = Array.from({ length: 64 }, (_, index) =>
    JSON.stringify({ text: `${index} and one is ${index + 1}. ` }),
  );
  writeFileSync(rows, `${lines.join('\n')}\n`);
  const path = join(folder, name);
  writeFileSync(
    path,
    JSON.stringify({
      output,
      threads: 1,
      model: tinyRunModel(),
      data: { files: [rows], form: 'text', sequence_length: 16 },
      training: { steps: 2, warmup_steps: 1, micro_batch_size: 1, gradient_accumulation_steps: 2 },
      ...changes,
    }),
  );
  return path;
}
const auto = ['--layout', 'auto', '--devices', '2', '--peak-gflops', '10', '--memory-gb', '4'];

test('those that were planned fastest are measured, and the fastest of them is taken', async () => {
  const args = ['plan', '--config', configFile('run.json'), ...auto, '--trial', '2', '--trial-steps', '3'];
  const { code, stdout, stderr } = await startCli([...args, '--json']).exit;
  expect(code, stderr).toBe(0);
  const { layouts, chosen } = JSON.parse(stdout);
  const measured = layouts.filter((layout: { measured?: unknown }) => layout.measured !== undefined);
  expect(measured).toHaveLength(2);
  expect(measured).toEqual(layouts.slice(0, 2));
  const speeds = measured.map(
    (layout: { measured: { tokens_per_second: number } }) => layout.measured.tokens_per_second,
  );
  const fastest = measured[speeds.indexOf(Math.max(...speeds))];
  expect(fastest).toMatchObject(chosen);
  expect(fastest.measured.peak_bytes).toBeGreaterThan(1e8);
  // As the run itself: nothing of it is there.
  expect(existsSync(output)).toBe(false);
  expect(stderr).toMatch(/trial 2 of 2: data/);
});

test('one that cannot run is said so, and is not taken', async () => {
  const config = configFile('broken.json', {
    data: { files: [join(folder, 'absent.jsonl')], form: 'text', sequence_length: 16 },
  });
  const { code, stdout, stderr } = await startCli(['plan', '--config', config, ...auto, '--trial', '1']).exit;
  expect(code, stderr).toBe(2);
  expect(stdout).toMatch(/FAILED .*absent\.jsonl/);
  expect(stdout).not.toMatch(/the fastest/);
  expect(stderr).toMatch(/none of the layouts that were tried ran/);
});
