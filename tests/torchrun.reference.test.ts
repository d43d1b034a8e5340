/** Ranks that the real torchrun starts: they find each other by its variables, in the store that its agent serves. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { referencePython } from './support/reference.js';
import { requiresPython } from './support/requires.js';

const python = referencePython();
const folder = mkdtempSync(join(tmpdir(), 'xinghe-torchrun-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const compiled = (path: string): string => JSON.stringify(new URL(`../dist/${path}`, import.meta.url).href);

const program = `
import { appendFileSync } from 'node:fs';
import { rankEnvironment } from ${compiled('distributed/rank-environment.js')};
import { Store } from ${compiled('tensor/index.js')};
const found = rankEnvironment();
const { rank, size, host, port, isStoreServed, restart } = found;
const store = new Store({ host, port, size, isServer: rank === 0 && !isStoreServed, timeout: 60_000 });
store.set('start-' + restart + '/rank-' + rank, 'hello of ' + rank);
const others = Array.from({ length: size }, (_, other) => store.get('start-' + restart + '/rank-' + other));
if (restart === 0 && rank === 1) process.exit(3);
if (restart === 0) await new Promise((resolve) => setTimeout(resolve, 60_000));
appendFileSync(process.argv[2], JSON.stringify({ ...found, others }) + '\\n');
`;

test('torchrun starts, ends and restarts our ranks', { timeout: 120_000, ...requiresPython(python) }, () => {
  const file = join(folder, 'rank.mjs');
  const output = join(folder, 'found.jsonl');
  writeFileSync(file, program);
  const torchrun = join(dirname(python ?? ''), 'torchrun');
  const { status, stderr } = spawnSync(
    torchrun,
    ['--no-python', '--nproc-per-node', '2', '--max-restarts', '1', process.execPath, file, output],
    { encoding: 'utf8', timeout: 110_000, env: { ...process.env, OMP_NUM_THREADS: '1' } },
  );
  expect(status, stderr).toBe(0);
  const ranks = readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  ranks.sort((one, other) => one.rank - other.rank);
  const shared = {
    size: 2,
    localSize: 2,
    port: ranks[0].port,
    host: 'localhost',
    isStoreServed: true,
    restart: 1,
    others: ['hello of 0', 'hello of 1'],
  };
  expect(ranks).toEqual([
    { ...shared, rank: 0, localRank: 0, device: 0 },
    { ...shared, rank: 1, localRank: 1, device: 1 },
  ]);
});
