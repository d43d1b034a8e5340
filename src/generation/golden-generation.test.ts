/** Golden greedy generations of every family: plain, left-padded, with penalties, across TeleChat-52B's 4096. */
import { describe, expect, test } from 'vitest';
import { goldenFolder, goldenJson, goldenModels } from '../../tests/support/golden.js';
import { loadModel } from '../models/index.js';
import { liveTensorCount, scope } from '../tensor/index.js';
import { Engine } from './engine/engine.js';
import { generateIds } from './generate-text.js';
import type { SamplingParameters } from './sampling-parameters.js';

interface GoldenGeneration {
  prompt_ids: number[][];
  new_ids: number[][];
  attention_mask?: number[][];
  repetition_penalty?: ['ctrl', number] | ['spark', number, number];
}

function samplingOf(penalty: GoldenGeneration['repetition_penalty']): SamplingParameters {
  if (penalty === undefined) return {};
  if (penalty[0] === 'ctrl') return { repetitionPenalty: penalty[1] };
  return {
    repetitionPenalty: penalty[1],
    repetitionPenaltyKind: 'subtractive',
    repetitionPenaltyIncrease: penalty[2],
  };
}

for (const folder of goldenModels) {
  const { generation } = goldenJson<{ generation: Record<string, GoldenGeneration> }>(
    `${folder}/expected.json`,
  );
  describe(folder, () => {
    for (const [name, golden] of Object.entries(generation).filter(([key]) => key.startsWith('greedy')))
      test(name, () => {
        const { model } = loadModel(`${goldenFolder}${folder}`);
        const results = generateIds(
          model,
          golden.prompt_ids.map((promptIds, row) => ({
            promptIds,
            attentionMask: golden.attention_mask?.[row],
            maxNewTokens: golden.new_ids[row]?.length ?? 0,
            sampling: samplingOf(golden.repetition_penalty),
          })),
        );
        expect(results.map(({ ids }) => ids)).toEqual(golden.new_ids);
        model.dispose();
      });
  });
}

test('200 decode steps leave the number of live tensors unchanged', () => {
  scope(() => {
    const { model } = loadModel(`${goldenFolder}xverse`);
    const engine = new Engine(model);
    engine.submit('a', { promptIds: [5, 6, 7], maxNewTokens: 300 });
    for (let step = 0; step < 10; step++) engine.step();
    const before = liveTensorCount();
    for (let step = 0; step < 200; step++) engine.step();
    expect(liveTensorCount()).toBe(before);
    engine.dispose();
    model.dispose();
  });
});
