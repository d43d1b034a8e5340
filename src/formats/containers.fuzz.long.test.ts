import { beforeAll, describe, it } from 'vitest';
import {
  fuzz,
  makeValidFiles,
  readCkptBytes,
  readGgufBytes,
  readMindRecordBytes,
  readStrategyBytes,
  type ValidFiles,
} from '../../tests/support/fuzz-containers.js';
import { encodeStrategy } from './strategy/strategy-writer.js';

const strategy = encodeStrategy(
  new Map(
    [0, 1].map((stage) => [
      stage,
      new Map(
        [[[0], []], [[1, 0]], []].map((tensorMap, index) => [
          `layers.${index}.weight`,
          { deviceMatrix: [2, 4], tensorMap, sliceRows: [], optimizerShards: -1, optimizerStep: 4 },
        ]),
      ),
    ]),
  ),
);
let valid: ValidFiles;
beforeAll(async () => {
  valid = await makeValidFiles();
});

describe('fuzz, 10 000 files each', () => {
  it('stands damaged MindSpore checkpoints', () => fuzz(valid.ckpt, readCkptBytes, 10_000));
  it('stands damaged GGUF files', () => fuzz(valid.gguf, readGgufBytes, 10_000));
  it('stands damaged strategy files', () => fuzz(strategy, readStrategyBytes, 10_000));
  it('stands damaged MindRecord files', () => fuzz(valid.mindRecord, readMindRecordBytes, 10_000));
});
