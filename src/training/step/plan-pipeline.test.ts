/** The order of a pipeline's passes. */
import { describe, expect, test } from 'vitest';
import { keyOf, type PipelineAction, planPipeline } from './plan-pipeline.js';

/** F2, or F2.1 for chunk 1. */
function written(actions: readonly PipelineAction[], stages: number): string {
  return actions
    .map(({ kind, microBatch, chunk }) => {
      const own = Math.floor(chunk / stages);
      return `${kind === 'forward' ? 'F' : 'B'}${microBatch}${own === 0 ? '' : `.${own}`}`;
    })
    .join(' ');
}

test('one chunk a stage: 1F1B', () => {
  const { actions, time } = planPipeline({ stages: 3, chunksPerStage: 1, microBatches: 5 });
  expect(actions.map((own) => written(own, 3))).toEqual([
    'F0 F1 F2 B0 F3 B1 F4 B2 B3 B4',
    'F0 F1 B0 F2 B1 F3 B2 F4 B3 B4',
    'F0 B0 F1 B1 F2 B2 F3 B3 F4 B4',
  ]);
  // (m + p - 1) x 3, as it is published.
  expect(time).toBe((5 + 2) * 3);
});

describe.each([
  { stages: 2, chunksPerStage: 1, microBatches: 1 },
  { stages: 4, chunksPerStage: 1, microBatches: 3 },
  { stages: 2, chunksPerStage: 2, microBatches: 4 },
  { stages: 4, chunksPerStage: 2, microBatches: 8 },
  { stages: 4, chunksPerStage: 2, microBatches: 5 },
  { stages: 4, chunksPerStage: 3, microBatches: 1 },
  { stages: 3, chunksPerStage: 4, microBatches: 10 },
])('$stages stages of $chunksPerStage, $microBatches micro-batches', (size) => {
  const { stages, chunksPerStage, microBatches } = size;
  const { actions, time } = planPipeline(size);

  test('every stage passes every micro-batch through its chunks once', () => {
    for (const [stage, own] of actions.entries()) {
      expect(new Set(own.map(keyOf)).size).toBe(own.length);
      expect(own.length).toBe(2 * microBatches * chunksPerStage);
      expect(own.every(({ chunk }) => chunk % stages === stage)).toBe(true);
    }
  });

  test('stages that wait for one another come through', () => {
    const done = new Set<string>();
    const next = actions.map(() => 0);
    const isReady = ({ kind, microBatch, chunk }: PipelineAction): boolean => {
      if (kind === 'forward') return chunk === 0 || done.has(keyOf({ kind, microBatch, chunk: chunk - 1 }));
      const after = { kind, microBatch, chunk: chunk + 1 };
      const isLast = chunk === stages * chunksPerStage - 1;
      return done.has(keyOf({ kind: 'forward', microBatch, chunk })) && (isLast || done.has(keyOf(after)));
    };
    for (let went = true; went; ) {
      went = false;
      for (const [stage, own] of actions.entries()) {
        const action = own[next[stage] ?? 0];
        if (action === undefined || !isReady(action)) continue;
        done.add(keyOf(action));
        next[stage] = (next[stage] ?? 0) + 1;
        went = true;
      }
    }
    expect(done.size).toBe(2 * microBatches * stages * chunksPerStage);
  });

  test('a stage holds no more micro-batches than it has to', () => {
    if (microBatches % stages !== 0 && chunksPerStage > 1) return;
    for (const [stage, own] of actions.entries()) {
      let [held, most] = [0, 0];
      for (const { kind } of own) {
        held += kind === 'forward' ? 1 : -1;
        most = Math.max(most, held);
      }
      const behind = stages - stage - 1;
      expect(most).toBeLessThanOrEqual(
        chunksPerStage === 1 ? behind + 1 : 2 * behind + (chunksPerStage - 1) * stages + 1,
      );
    }
  });

  test('nobody waits longer than the work of one micro-batch', () => {
    expect(time).toBeGreaterThanOrEqual(3 * microBatches * chunksPerStage);
    if (microBatches % stages === 0)
      expect(time).toBeLessThanOrEqual(3 * (microBatches * chunksPerStage + stages));
  });
});

test('more chunks a stage, less time spent waiting', () => {
  const idle = (chunksPerStage: number): number => {
    const { time } = planPipeline({ stages: 4, chunksPerStage, microBatches: 8 });
    return time / (3 * 8 * chunksPerStage) - 1;
  };
  expect(idle(1)).toBeCloseTo(3 / 8, 10);
  expect(idle(2)).toBeLessThan(0.7 * idle(1));
  expect(idle(4)).toBeLessThan(0.7 * idle(2));
});
