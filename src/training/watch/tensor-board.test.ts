import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { referencePython, runReference } from '../../../tests/support/reference.js';
import { evaluationRecord, stepRecord } from '../../../tests/support/run-records.js';
import { crc32c, maskedCrc32c } from './crc32c.js';
import { tensorBoard } from './tensor-board.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xinghe-events-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('crc32c', () => {
  it('gives the check values of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(new Uint8Array())).toBe(0);
  });
});

describe('tensorBoard', () => {
  it('frames every event with length and checksums', async () => {
    const board = tensorBoard(folder);
    board.step(stepRecord(1));
    await board.close();
    const [name = ''] = readdirSync(folder);
    expect(name).toMatch(/^events\.out\.tfevents\.\d{10}\..*\.xinghe$/);
    const bytes = readFileSync(join(folder, name));
    let events = 0;
    for (let offset = 0; offset < bytes.length; events++) {
      const length = Number(bytes.readBigUInt64LE(offset));
      expect(bytes.readUInt32LE(offset + 8)).toBe(maskedCrc32c(bytes.subarray(offset, offset + 8)));
      const content = bytes.subarray(offset + 12, offset + 12 + length);
      expect(bytes.readUInt32LE(offset + 12 + length)).toBe(maskedCrc32c(content));
      offset += length + 16;
    }
    expect(events).toBe(2);
  });

  it('is read by TensorBoard itself, which checks every sum: scalars of a resumed run', async (context) => {
    const python = tensorBoardPython();
    if (python === undefined) return context.skip(NO_TENSORBOARD);
    const first = tensorBoard(folder);
    for (let step = 1; step <= 6; step++) first.step(stepRecord(step, { loss: 10 - step }));
    first.evaluation?.(evaluationRecord(5, { loss: 2.5 }));
    first.sample?.({ step: 5, prompt: '你好', text: '# 我是*小星*\n第二行' });
    await first.close();
    // Files are read in the order of their names; those of one second are told apart by their number.
    const second = tensorBoard(folder, { resumedAfter: 4 });
    for (let step = 5; step <= 7; step++) second.step(stepRecord(step, { loss: 20 - step }));
    await second.close();
    const found = runReference<{
      loss: [number, number][];
      evaluation: [number, number][];
      tags: string[];
    }>(python, READER, [folder]);
    expect(found.loss).toEqual([
      [1, 9],
      [2, 8],
      [3, 7],
      [4, 6],
      [5, 15],
      [6, 14],
      [7, 13],
    ]);
    expect(found.evaluation).toEqual([]); // Of step 5, which the resumed run does again.
    expect(found.tags).toEqual(
      expect.arrayContaining([
        'train/grad_norm',
        'train/learning_rate',
        'speed/tokens_per_second',
        'speed/mfu',
      ]),
    );
  });

  it('is read by TensorBoard itself: a text sample stays what it was', async (context) => {
    const python = tensorBoardPython();
    if (python === undefined) return context.skip(NO_TENSORBOARD);
    const board = tensorBoard(folder);
    board.evaluation?.(evaluationRecord(5, { loss: 2.5 }));
    board.sample?.({ step: 5, prompt: '你好', text: '# 我是*小星*\n<b>' });
    await board.close();
    const found = runReference<{
      evaluation: [number, number][];
      texts: [number, string, string][];
    }>(python, READER, [folder]);
    expect(found.evaluation).toEqual([[5, 2.5]]);
    expect(found.texts).toEqual([[5, 'text', '**你好**\n\n\\# 我是\\*小星\\*  \n\\<b\\>']]);
  });
});

const NO_TENSORBOARD =
  'no Python with tensorboard; name one in XINGHE_TENSORBOARD_PYTHON (pip install tensorboard)';

/** The reference Python where TensorBoard is installed in it, or a python3 that has it. */
function tensorBoardPython(): string | undefined {
  const candidates = [process.env.XINGHE_TENSORBOARD_PYTHON, referencePython(), 'python3'];
  for (const python of candidates)
    if (python !== undefined && spawnSync(python, ['-c', 'import tensorboard']).status === 0) return python;
  return undefined;
}

const READER = `
import json, sys, glob
from tensorboard.backend.event_processing import event_accumulator as ea
acc = ea.EventAccumulator(sys.argv[1], size_guidance={ea.SCALARS: 0, ea.TENSORS: 0})
acc.Reload()
tags = acc.Tags()
scalars = lambda tag: [[e.step, round(e.value, 6)] for e in acc.Scalars(tag)] if tag in tags['scalars'] else []
texts = [[e.step, acc.SummaryMetadata('samples').plugin_data.plugin_name, e.tensor_proto.string_val[0].decode()]
         for e in (acc.Tensors('samples') if 'samples' in tags['tensors'] else [])]
print(json.dumps(dict(loss=scalars('train/loss'), evaluation=scalars('evaluation/loss'), tags=tags['scalars'], texts=texts)))
`;
