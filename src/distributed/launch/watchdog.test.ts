import { describe, expect, test } from 'vitest';
import { describeRanks, findHang, type KnownBeat } from './watchdog.js';

interface Told {
  readonly silence?: number;
  readonly mark?: readonly [step: number, phase: string, seconds: number];
  readonly hasBeaten?: boolean;
  readonly isStopped?: boolean;
  readonly age?: number;
}

function told(
  rank: number,
  { silence = 0.2, mark, hasBeaten = true, isStopped = false, age = 0 }: Told,
): KnownBeat {
  const beat = { rank, node: 0, pid: 100 + rank, silence, hasBeaten, isStopped };
  if (mark === undefined) return { beat, age };
  const [step, phase, seconds] = mark;
  return { beat: { ...beat, mark: { step, phase, seconds } }, age };
}

const all = (...ranks: Told[]): KnownBeat[] => ranks.map((one, rank) => told(rank, one));

describe('findHang', () => {
  test.each<[string, Told[], string | undefined]>([
    [
      'nobody beats',
      [
        { silence: 900, hasBeaten: false },
        { silence: 900, hasBeaten: false },
      ],
      undefined,
    ],
    ['all are heard and mark', [{ mark: [1, 'forward', 1] }, { mark: [1, 'forward', 2] }], undefined],
    [
      'one is not heard',
      [{ mark: [1, 'forward', 1] }, { silence: 30 }],
      'rank 1 .* no sign of life for 30 s$',
    ],
    ['one was not told of', [{ mark: [1, 'forward', 1] }, { age: 30 }], 'rank 1 .* no sign of life for 30 s'],
    [
      'one is stopped',
      [{}, { silence: 31, isStopped: true }],
      'rank 1 .* a signal has stopped it \\(SIGSTOP\\)',
    ],
    ['one has not begun, yet', [{}, { silence: 40, hasBeaten: false }], undefined],
    ['one does not begin', [{}, { silence: 60, hasBeaten: false }], 'rank 1 .* no sign of life for 1 min'],
    ['one makes progress', [{ mark: [1, 'save', 1] }, { mark: [1, 'barrier', 900] }], undefined],
    [
      'none makes progress',
      [{ mark: [1, 'wait', 31] }, { mark: [1, 'backward', 32] }],
      'rank 1 .* in backward',
    ],
    ['one marks nothing', [{ mark: [1, 'wait', 31] }, {}], 'rank 0 .* in wait'],
    ['all wait for work', [{ mark: [1, '', 900] }, { mark: [1, '', 900] }], undefined],
    [
      'one is stopped and still warm',
      [{ mark: [1, 'wait', 31] }, { mark: [1, 'forward', 30], isStopped: true }],
      'rank 1 .* a signal has stopped it',
    ],
    [
      'its marks end before its life',
      [{ mark: [1, 'wait', 31] }, { mark: [1, 'forward', 30], silence: 28 }],
      'rank 1 .* no sign',
    ],
  ])('%s', (_, ranks, expected) => {
    const hang = findHang(all(...ranks), 30);
    if (expected === undefined) expect(hang).toBeUndefined();
    else expect(hang).toMatch(new RegExp(expected));
  });
});

test('describeRanks: where each was, by rank', () => {
  const ranks = [
    told(2, { hasBeaten: false, silence: 5 }),
    told(1, { mark: [7, 'forward', 62], silence: 61, isStopped: true }),
    told(0, { mark: [7, '', 3] }),
  ];
  expect(describeRanks(ranks)).toEqual([
    'rank 0 (node 0, process 100): step 7, waiting for work, for 3.0 s',
    'rank 1 (node 0, process 101): step 7, forward, for 1 min 02 s; last heard 1 min 01 s ago; stopped by a signal (SIGSTOP)',
    'rank 2 (node 0, process 102): has marked no step; has not been heard at all',
  ]);
});
