/** Golden greedy generations of a model: plain, left-padded, with penalties, up to one of several end tokens. */
import { describe, expect, test } from 'vitest';
import { generateIds, type SamplingParameters } from '../../src/generation/index.js';
import { loadModel } from '../../src/models/index.js';
import { goldenDevice, goldenFolder, goldenJson } from './golden.js';

interface GoldenGeneration {
  prompt_ids: number[][];
  new_ids: number[][];
  attention_mask?: number[][];
  /** Default: the folder's. */
  config?: string;
  /** Any of them ends the text. Default: none does. */
  eos_token_id?: number[];
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

/** Tests of every greedy generation in the folder's expected.json. @param folder of a golden model */
export function describeGoldenGeneration(folder: string, device = goldenDevice): void {
  const { generation } = goldenJson<{ generation: Record<string, GoldenGeneration> }>(
    `${folder}/expected.json`,
  );
  describe(folder, () => {
    for (const [name, golden] of Object.entries(generation).filter(([key]) => /^(greedy|stop)/.test(key)))
      test(name, () => {
        const path = `${goldenFolder}${folder}`;
        const configPath = golden.config === undefined ? undefined : `${path}/${golden.config}`;
        const { model } = loadModel(path, { configPath, device });
        const results = generateIds(
          model,
          golden.prompt_ids.map((promptIds, row) => ({
            promptIds,
            attentionMask: golden.attention_mask?.[row],
            maxNewTokens: golden.eos_token_id === undefined ? (golden.new_ids[row]?.length ?? 0) : 24,
            stopTokenIds: golden.eos_token_id,
            sampling: samplingOf(golden.repetition_penalty),
          })),
        );
        expect(results.map(({ ids }) => ids)).toEqual(golden.new_ids);
        model.dispose();
      });
  });
}
