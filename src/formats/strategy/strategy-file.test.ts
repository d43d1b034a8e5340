import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { fuzz, readStrategyBytes } from '../../../tests/support/fuzz-containers.js';
import { bytesField, varintField } from '../protobuf/protobuf-writer.js';
import type { ParameterLayout } from './parallel-strategy.js';
import { readStrategyFile } from './strategy-reader.js';
import { encodeStrategy, writeStrategyFile } from './strategy-writer.js';

const folder = mkdtempSync(join(tmpdir(), 'strategy-'));
afterAll(() => rmSync(folder, { recursive: true }));

const layout = (changes: Partial<ParameterLayout> = {}): ParameterLayout => ({
  deviceMatrix: [2, 2],
  tensorMap: [[0], []],
  sliceRows: [],
  optimizerShards: 0,
  optimizerStep: 0,
  ...changes,
});

const stages = new Map([
  [
    0,
    new Map([
      ['embedding', layout({ optimizerShards: 2, optimizerStep: 2 })],
      ['norm', layout({ tensorMap: [[]] })],
      ['both', layout({ tensorMap: [[1, 0], []] })],
      ['uneven', layout({ sliceRows: [5, 4] })],
    ]),
  ],
  [1, new Map([['层.weight', layout({ tensorMap: [[], [0]], optimizerShards: -1, optimizerStep: 2 })]])],
]);

function written(name: string, content: Buffer | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('strategy files', () => {
  it('are read as they were written, one stage or several', () => {
    const path = join(folder, 'src_strategy.ckpt');
    for (const given of [stages, new Map([...stages].slice(0, 1)), new Map([...stages].slice(1))]) {
      writeStrategyFile(path, given);
      expect(readStrategyFile(path)).toEqual({ path, stages: given });
    }
  });

  it('may be JSON', () => {
    const item = {
      dev_matrix: [2, 2],
      tensor_map: [0, -1],
      opt_weight_shard_step: 2,
      opt_weight_shard_size: 2,
      field: 0,
    };
    const path = written(
      'a.json',
      JSON.stringify({
        current_stage: 1,
        parallel_strategy_item: { op: { stage: 1, parallel_strategy: [] } },
        parallel_layout_item: { w: item, 'layers.0-1': { ...item, tensor_map: [[1, 0], -1] } },
      }),
    );
    const { stages: read } = readStrategyFile(path);
    expect([...read]).toEqual([
      [
        1,
        new Map([
          ['w', layout({ optimizerShards: 2, optimizerStep: 2 })],
          ['layers.0-1', layout({ tensorMap: [[1, 0], []], optimizerShards: 2, optimizerStep: 2 })],
        ]),
      ],
    ]);
  });

  it.each<[string, ReadonlyMap<number, ReadonlyMap<string, ParameterLayout>>, RegExp]>([
    [
      'an axis that is not there',
      new Map([[0, new Map([['w', layout({ tensorMap: [[2]] })]])]]),
      /"w" cuts by/,
    ],
    [
      'an axis used twice',
      new Map([[0, new Map([['w', layout({ tensorMap: [[0], [0]] })]])]]),
      /cuts by the axes \[0, 0\], and the device matrix \[2, 2\] has each of 2 once/,
    ],
    [
      'no devices',
      new Map([[0, new Map([['w', layout({ deviceMatrix: [0, 2] })]])]]),
      /device matrix \[0, 2\]/,
    ],
    ['too many', new Map([[0, new Map([['w', layout({ deviceMatrix: [1e6, 1e6] })]])]]), /which is none/],
    [
      'stages of different sizes',
      new Map([
        [
          0,
          new Map([
            ['w', layout()],
            ['v', layout({ deviceMatrix: [4, 2] })],
          ]),
        ],
      ]),
      /"w" lies over 4 devices, "v" over 8/,
    ],
    ['more sharers than devices', new Map([[0, new Map([['w', layout({ optimizerShards: 8 })]])]]), /8 of 4/],
    ['nothing', new Map(), /tells of no parameter's layout/],
  ])('refuses %s', (_, given, message) => {
    const path = written('bad.ckpt', encodeStrategy(given));
    expect(() => readStrategyFile(path)).toThrow(message);
    expect(() => readStrategyFile(path)).toThrow(path);
  });

  it('refuses a hashed embedding, a name that stands twice, other files and empty ones', () => {
    const hashed = bytesField(
      3,
      Buffer.concat([
        bytesField(1, 'table'),
        bytesField(2, Buffer.concat([bytesField(1, varintField(1, 1)), varintField(5, 3)])),
      ]),
    );
    expect(() => readStrategyFile(written('hashed.ckpt', hashed))).toThrow(/"table" has a field size of 3/);
    const plain = encodeStrategy(new Map([[0, new Map([['w', layout()]])]]));
    expect(() => readStrategyFile(written('twice.ckpt', Buffer.concat([plain, plain])))).toThrow(
      /"w" stands there twice/,
    );
    const ckpt = bytesField(1, bytesField(1, 'weight'));
    expect(() => readStrategyFile(written('weights.ckpt', ckpt))).toThrow(/no strategy file of MindSpore/);
    expect(() => readStrategyFile(written('empty.ckpt', ''))).toThrow(/is empty/);
    expect(() => readStrategyFile(written('broken.json', '{'))).toThrow(/not valid JSON/);
    expect(() => readStrategyFile(written('list.json', '[]'))).toThrow(/not an object/);
  });

  it('stand damage (10 000 times: containers.fuzz.long.test.ts)', () => {
    fuzz(encodeStrategy(stages), readStrategyBytes, 1000);
  });
});
