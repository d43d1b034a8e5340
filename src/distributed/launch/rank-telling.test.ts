/** The small parts of what ranks and launcher tell: marks, last lines, blame, addresses, arguments. */
import { describe, expect, test } from 'vitest';
import { formatBeat, LAUNCHER_PIPE, parseBeat } from './beat.js';
import { failureOf, firstToBlame } from './failure.js';
import { LastLines } from './last-lines.js';
import { planStarts } from './plan-starts.js';
import type { RankExit } from './protocol.js';
import { parseRendezvous, showAddress } from './rendezvous-address.js';
import { resumingArguments } from './resuming-arguments.js';
import { SharedMark } from './shared-mark.js';

describe('SharedMark', () => {
  test('what one side writes, the other reads', () => {
    const writer = new SharedMark();
    const reader = new SharedMark(writer.shared);
    expect(reader.read()).toBeUndefined();
    expect(formatBeat(reader.read())).toBe('{}');
    writer.write(12, '前向');
    expect(reader.read()).toMatchObject({ step: 12, phase: '前向' });
    expect(reader.read()?.seconds).toBeLessThan(5);
    writer.write(13, 'x'.repeat(100));
    expect(reader.read()).toMatchObject({ step: 13, phase: 'x'.repeat(60) });
    expect(parseBeat(formatBeat(reader.read()))).toMatchObject({ step: 13 });
    expect(parseBeat('{}')).toBeUndefined();
    expect(parseBeat('{"step":')).toBeUndefined();
  });

  test('the command line asks for the variable that the launcher sets', async () => {
    const { readFileSync } = await import('node:fs');
    for (const file of ['../../cli/main.ts', '../../../bin/xinghe'])
      expect(readFileSync(new URL(file, import.meta.url), 'utf8')).toContain(LAUNCHER_PIPE);
  });
});

describe('LastLines', () => {
  test('the last twenty, streams apart, bars line by line, the unfinished one too', () => {
    const last = new LastLines();
    for (let line = 0; line < 30; line++) last.add('stdout', `line ${line}\n`);
    last.add('stderr', 'half');
    last.add('stdout', '10 %\r20 %\r\n\n');
    last.add('stderr', ' and half');
    expect(last.read().length).toBe(20);
    expect(last.read().slice(-4)).toEqual(['line 29', '10 %', '20 %', 'half and half']);
  });

  test('of a line without an end the end is kept', () => {
    const last = new LastLines();
    for (let part = 0; part < 100; part++) last.add('stdout', 'y'.repeat(1000));
    last.add('stdout', 'z');
    expect(last.read()[0]).toMatch(/^…y{499}z$|^y*z$/);
    expect(last.read()[0]?.length).toBeLessThan(2100);
  });
});

const exited = (rank: number, code: number | null, signal: string | null = null): RankExit => ({
  rank,
  node: 0,
  host: 'machine',
  pid: 100 + rank,
  code,
  signal,
  seconds: 65,
  ago: 0,
  lines: ['the end'],
});

describe('blame', () => {
  test('the first; but who was killed comes before who ended by itself, or by an exception', () => {
    const blamed = (...exits: [RankExit, number][]): number | undefined =>
      firstToBlame(exits.map(([exit, endedAt]) => ({ exit, endedAt })))?.rank;
    expect(blamed([exited(0, 1), 20], [exited(1, 1), 10])).toBe(1);
    expect(blamed([exited(0, 1), 10], [exited(1, null, 'SIGKILL'), 11])).toBe(1);
    expect(blamed([exited(0, null, 'SIGABRT'), 10], [exited(1, null, 'SIGSEGV'), 11])).toBe(1);
    expect(blamed([exited(0, null, 'SIGABRT'), 12], [exited(1, 1), 11])).toBe(1);
  });

  test('the exit code is that of the rank; a signal is a failure, SIGINT an interruption', () => {
    expect(failureOf(exited(3, 2))).toEqual({
      code: 2,
      reason: 'rank 3 (node 0, machine, process 103) ended with exit code 2 after 1 min 05 s',
      details: ['its last lines:', '  rank 3: the end'],
    });
    expect(failureOf(exited(3, null, 'SIGKILL')).code).toBe(1);
    expect(failureOf(exited(3, null, 'SIGINT')).code).toBe(130);
  });
});

test.each([
  [
    ['train', '--config', 'a.yaml'],
    ['train', '--resume', 'auto', '--config', 'a.yaml'],
  ],
  [
    ['train', '--resume', 'out/x'],
    ['train', '--resume', 'out/x'],
  ],
  [
    ['train', '--resume=auto'],
    ['train', '--resume=auto'],
  ],
  [
    ['generate', '--model', 'x'],
    ['generate', '--model', 'x'],
  ],
  [[], []],
])('resumingArguments: %j', (command, expected) => expect(resumingArguments(command)).toEqual(expected));

describe('parseRendezvous', () => {
  test.each([
    ['node0:1234', 'node0', 1234],
    ['10.0.0.1', '10.0.0.1', 29400],
    ['[fe80::1]:80', 'fe80::1', 80],
    ['job-0.job.default.svc:29401', 'job-0.job.default.svc', 29401],
  ])('%s', (text, host, port) => {
    expect(parseRendezvous(text)).toEqual({ host, port });
    expect(parseRendezvous(showAddress({ host, port }))).toEqual({ host, port });
  });

  test.each(['', ':1234', 'a:b', 'host:0', 'host:70000', 'fe80::1', 'http://host:1'])(
    '%j is refused',
    (text) => {
      expect(() => parseRendezvous(text)).toThrow(/--rendezvous .*expected HOST:PORT/);
    },
  );
});

describe('planStarts', () => {
  const base = { run: 'r', restart: 0, maxRestarts: 0, masterAddress: 'a', masterPort: 1 };

  test('a table may number across the nodes', () => {
    const starts = planStarts(
      [
        { nproc: 1, table: [{ rank: 1, device: 4 }] },
        {
          nproc: 2,
          table: [
            { rank: 0, device: 6 },
            { rank: 2, device: 7 },
          ],
        },
      ],
      base,
    );
    expect(starts.map(({ ranks }) => ranks)).toEqual([
      [{ rank: 1, localRank: 0, device: 4 }],
      [
        { rank: 0, localRank: 0, device: 6 },
        { rank: 2, localRank: 1, device: 7 },
      ],
    ]);
  });

  test('tables that are not one are refused by node and rank', () => {
    const table = [{ rank: 0, device: 0 }];
    expect(() =>
      planStarts(
        [
          { nproc: 1, table },
          { nproc: 1, table },
        ],
        base,
      ),
    ).toThrow(/node 1 has rank 0 .*so has another node/);
    expect(() => planStarts([{ nproc: 1, table: [{ rank: 3, device: 0 }] }], base)).toThrow(
      /node 0 has rank 3 .*there are 1 ranks/,
    );
  });
});
