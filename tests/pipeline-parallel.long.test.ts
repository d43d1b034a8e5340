/** As pipeline-parallel.test.ts, for every family and whatever may be told apart in a run, on every kind of mesh. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenModels } from './support/golden.js';
import { ALONE, type Layout, type ParallelCase, ParallelRuns } from './support/parallel-runs.js';
import { pipelineCases } from './support/pipeline-cases.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const forwardScript = fileURLToPath(new URL('support/context-forward.mjs', import.meta.url));

const runs = new ParallelRuns(12);
afterAll(() => runs.dispose());

const all = pipelineCases(runs, goldenModels);
const CASES = [...all.values()];
const named = (...names: string[]): ParallelCase[] => names.flatMap((name) => all.get(name) ?? []);
/** Of at least four blocks. */
const DEEP = named('spark-window', 'deep-experts', 'deep-recompute');

const LAYOUTS: readonly (Layout & { readonly of: readonly ParallelCase[] })[] = [
  { run: 'pipeline-2', ranks: 2, pipeline: 2, of: CASES },
  { run: 'context-2', ranks: 2, context: 2, of: CASES.filter(({ name }) => name !== 'distilled') },
  { run: 'pipeline-2-interleaved', ranks: 2, pipeline: 2, chunks: 2, of: DEEP },
  {
    run: 'pipeline-2-zero-3',
    ranks: 2,
    pipeline: 2,
    zero: 3,
    of: named('spark-window', 'lora', 'kto', 'samples'),
  },
  { run: 'pipeline-4', ranks: 4, pipeline: 4, of: DEEP },
  {
    run: 'pipeline-2-data-2-zero-2-interleaved',
    ranks: 4,
    pipeline: 2,
    chunks: 2,
    zero: 2,
    of: DEEP,
  },
  { run: 'pipeline-2-data-2-zero-1', ranks: 4, pipeline: 2, zero: 1, of: named('epochs', 'mixed', 'qwen2') },
  {
    run: 'pipeline-2-tensor-2-zero-3-sequence',
    ranks: 4,
    pipeline: 2,
    tensor: 2,
    zero: 3,
    sequence: true,
    of: [...DEEP, ...named('odd', 'uneven-heads', 'dora', 'kto-dropout', 'samples', 'best')],
  },
  {
    run: 'pipeline-2-context-2',
    ranks: 4,
    pipeline: 2,
    context: 2,
    of: [...DEEP, ...named('packed', 'lora', 'reward')],
  },
  {
    run: 'context-2-tensor-2-zero-1-sequence',
    ranks: 4,
    context: 2,
    tensor: 2,
    zero: 1,
    sequence: true,
    of: [...DEEP, ...named('packed', 'odd', 'fused-lora', 'orpo')],
  },
  {
    run: 'context-2-data-2-zero-3',
    ranks: 4,
    context: 2,
    zero: 3,
    of: named('epochs', 'deep-experts', 'dpo'),
  },
  // One head of queries on each rank, and keys and values of half as many.
  { run: 'context-4', ranks: 4, context: 4, of: named('llama', 'odd', 'spark-window') },
];

beforeAll(async () => {
  await runs.run(CASES, ALONE);
  for (const layout of LAYOUTS) await runs.run(layout.of, layout);
}, 3_600_000);

describe.each(LAYOUTS)('$run', ({ run, of }) => {
  it.each(of)('train $name as one process does', (one) => runs.expectAsAlone(run, one));
});

describe('a run goes on', () => {
  it.each([
    { from: 'pipeline-2-tensor-2-zero-3-sequence', on: { run: 'stages-to-one', ranks: 1 } },
    { from: 'one', on: { run: 'one-to-stages', ranks: 4, pipeline: 2, context: 2, zero: 1 } },
    { from: 'pipeline-4', on: { run: 'stages-to-tokens', ranks: 2, context: 2, zero: 3 } },
    { from: 'context-2', on: { run: 'tokens-to-pieces', ranks: 2, pipeline: 2, chunks: 2 } },
  ] as const)('on $on from a checkpoint of $from', async ({ from, on }) => {
    const [one] = named('spark-window');
    if (one === undefined) throw new Error('no case');
    await runs.resume(one, from, on);
    runs.expectAsAlone(on.run, one);
  });
});

it('rows that are padded on the left are read as by one process', async () => {
  const config = {
    model_type: 'qwen3',
    vocab_size: 50,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    head_dim: 6,
    use_sliding_window: true,
    sliding_window: 5,
    layer_types: ['full_attention', 'sliding_attention'],
  };
  const port = String(31_000 + (process.pid % 20_000));
  const difference = (rank: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const args = [forwardScript, String(rank), '2', port, JSON.stringify(config)];
      execFile(process.execPath, args, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
    });
  for (const text of await Promise.all([difference(0), difference(1)]))
    expect(Number(text)).toBeLessThan(1e-12);
});

describe('xinghe launch', () => {
  const [one] = named('spark-window');
  if (one === undefined) throw new Error('no case');

  it('writes what one process writes', async () => {
    const config = runs.writeConfig(one, { run: 'launched', ranks: 1 });
    const layout = ['--set', 'parallel.pipeline=2', '--set', 'parallel.tensor=2'];
    const { code, output } = await launched(['train', '--config', config, ...layout, '--set', 'threads=1']);
    expect(code, output).toBe(0);
    runs.expectAsAlone('launched', one);
    const lines = readFileSync(`${runs.folder}/launched/${one.name}/metrics.jsonl`, 'utf8')
      .trim()
      .split('\n');
    const steps = lines
      .map((line): unknown => Object(JSON.parse(line)).grad_norm)
      .filter((norm) => norm !== undefined);
    expect(steps.length).toBe(12);
  });

  it('a stage that is killed ends the others within 10 s', async () => {
    const config = runs.writeConfig(
      { ...one, training: { ...one.training, steps: 100_000 } },
      { run: 'killed', ranks: 1 },
    );
    const metrics = `${runs.folder}/killed/${one.name}/metrics.jsonl`;
    let killedAt = 0;
    const { code, output } = await launched(
      ['train', '--config', config, '--set', 'parallel.pipeline=4'],
      (ranks) => {
        const [last] = ranks.slice(-1);
        if (last === undefined || killedAt > 0 || !existsSync(metrics)) return;
        killedAt = performance.now();
        process.kill(last, 'SIGKILL');
      },
    );
    expect(code, output).toBe(1);
    expect(output).toMatch(/killed|SIGKILL/);
    expect((performance.now() - killedAt) / 1000).toBeLessThan(10);
  });
});

/** @param during called again and again with the process numbers of all ranks */
function launched(
  words: readonly string[],
  during: (ranks: readonly number[]) => void = () => undefined,
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, 'launch', '--nproc', '4', '--', ...words], {
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => {
        output += piece.toString();
      });
    const timer = setInterval(() => during(childrenOf(child.pid ?? 0)), 100);
    child.on('close', (code) => {
      clearInterval(timer);
      resolve({ code, output });
    });
  });
}

function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ').filter(Boolean).map(Number) : [];
}
