import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { requiresPython } from '../../../tests/support/requires.js';
import { readView } from '../../formats/index.js';
import { convertModel } from '../../models/index.js';
import { openModelCheckpoint } from '../open-model-checkpoint.js';
import { DEFAULT_SHARD_THRESHOLD, type ParallelLayout } from '../parallel-layout.js';

const python = referencePython();
const folder = mkdtempSync(join(tmpdir(), 'strategy-reference-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const layout = (changes: Partial<ParallelLayout>): ParallelLayout => ({
  dataParallel: 1,
  modelParallel: 1,
  pipelineStages: 1,
  optimizerShard: false,
  shardThreshold: 4096,
  ...changes,
});

/** Cuts the ranks in argv[1] by the strategy argv[3] as argv[4] says, into argv[2]. */
const PROGRAM = `
import sys, json, mindspore as ms
source, target, src, dst = sys.argv[1:]
ms.transform_checkpoints(source, target, 'checkpoint_', src or None, dst or None)
print(json.dumps({}))
`;

function digests(path: string, rank = 0): Map<string, string> {
  return new Map(
    [...(openModelCheckpoint(path).ranks[rank] ?? [])].map(([name, view]) => {
      const hash = createHash('sha256').update(`${view.dtype} ${view.shape.join()}`);
      for (const piece of readView(view)) hash.update(piece);
      return [name, hash.digest('hex')];
    }),
  );
}

const LAYOUTS: readonly Partial<ParallelLayout>[] = [
  { modelParallel: 2 },
  { dataParallel: 2, modelParallel: 2 },
  { dataParallel: 2, modelParallel: 2, optimizerShard: true, shardThreshold: DEFAULT_SHARD_THRESHOLD / 16 },
  { dataParallel: 4, optimizerShard: true },
  { modelParallel: 2, pipelineStages: 2 },
];

describe('strategy files and MindSpore', requiresPython(python), () => {
  const whole = join(goldenFolder, 'spark');

  it('cuts ours as we cut them, and joins them; we read what it cut by the strategy alone', {
    timeout: 600_000,
  }, async () => {
    if (python === undefined) throw new Error('no reference');
    const folders: string[] = [];
    for (const [index, given] of LAYOUTS.entries()) {
      const to = join(folder, `ours-${index}`);
      await convertModel({ from: whole, to, format: 'ckpt', layout: layout(given) });
      folders.push(to);
    }
    const single = join(folder, 'single');
    await convertModel({ from: whole, to: single, format: 'ckpt', layout: layout({}) });
    for (const [index, from] of folders.entries()) {
      const other = folders[(index + 1) % folders.length] ?? single;
      const cut = join(folder, `theirs-${index}`);
      const [src, dst] = [from, other].map((path) => join(path, 'src_strategy.ckpt'));
      runReference(python, PROGRAM, [from, cut, src ?? '', dst ?? '']);
      const ranks = openModelCheckpoint(other).ranks.length;
      for (let rank = 0; rank < ranks; rank++)
        expect(digests(cut, rank), `${index}, rank ${rank}`).toEqual(digests(other, rank));
      const back = join(folder, `back-${index}.ckpt`);
      await convertModel({
        from: cut,
        to: back,
        sourceStrategy: dst,
        configPath: join(whole, 'model_config.yaml'),
      });
      expect(digests(back)).toEqual(digests(single));
    }
  });
});
