import { beforeAll, describe, it } from 'vitest';
import {
  fuzz,
  makeValidFiles,
  readCkptBytes,
  readGgufBytes,
  readMindRecordBytes,
  type ValidFiles,
} from '../../tests/support/fuzz-containers.js';

let valid: ValidFiles;
beforeAll(async () => {
  valid = await makeValidFiles();
});

describe('fuzz, 10 000 files each', () => {
  it('stands damaged MindSpore checkpoints', () => fuzz(valid.ckpt, readCkptBytes, 10_000));
  it('stands damaged GGUF files', () => fuzz(valid.gguf, readGgufBytes, 10_000));
  it('stands damaged MindRecord files', () => fuzz(valid.mindRecord, readMindRecordBytes, 10_000));
});
