import { beforeAll, describe, expect, it } from 'vitest';
import {
  fuzz,
  makeValidFiles,
  readCkptBytes,
  readGgufBytes,
  readMindRecordBytes,
  type ValidFiles,
} from '../../tests/support/fuzz-containers.js';
import { parseGguf } from './gguf/gguf-reader.js';

let valid: ValidFiles;
beforeAll(async () => {
  valid = await makeValidFiles();
});

describe('fuzz (10 000 each: containers.fuzz.long.test.ts)', () => {
  it('stands damaged MindSpore checkpoints', () => fuzz(valid.ckpt, readCkptBytes, 1000));
  it('stands damaged GGUF files', () => fuzz(valid.gguf, readGgufBytes, 1000));
  it('stands damaged MindRecord files', () => fuzz(valid.mindRecord, readMindRecordBytes, 1000));

  it('refuses a GGUF file of 1 GB of nested arrays without following them', () => {
    const head = Buffer.from(valid.gguf.subarray(0, 24));
    head.writeUInt32LE(1, 16);
    const level = Buffer.from([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    const key = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, 0x61, 9, 0, 0, 0]);
    const deep = Buffer.concat([head, key, ...Array.from({ length: 100_000 }, () => level)]);
    const read = (offset: number, length: number): Buffer => deep.subarray(offset, offset + length);
    expect(() => parseGguf({ path: 'deep.gguf', size: deep.length, read })).toThrow('nested deeper than 8');
  });
});
