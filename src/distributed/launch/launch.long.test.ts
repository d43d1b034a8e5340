/** One machine: real processes, small programs as ranks. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LauncherFolder, LauncherProcess } from '../../../tests/support/launcher-process.js';
import { isProcess, until } from '../../../tests/support/served-process.js';
import type { LaunchOptions } from './launch.js';

const programs = new LauncherFolder();
afterAll(() => programs.remove());

interface Started {
  readonly launcher: LauncherProcess;
  readonly folder: string;
}

function start(
  source: string,
  options: Omit<LaunchOptions, 'program' | 'command'> & { readonly command?: readonly string[] },
  more: ConstructorParameters<typeof LauncherProcess>[2] = {},
): Started {
  const folder = programs.fresh();
  const program = { file: process.execPath, args: [programs.program(source)] };
  return { launcher: new LauncherProcess({ program, command: [], ...options }, folder, more), folder };
}

const lines = (folder: string, name: string): string[] => {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};
const pids = (folder: string): number[] => lines(folder, 'pids').map(Number);

/** Of processes that are no zombies of ours: the launcher has reaped its ranks, or init did. */
async function nobodyIsLeft(folder: string): Promise<void> {
  await until(() => !pids(folder).some(isProcess), `the end of ${pids(folder).join(', ')}`);
}

describe('what a rank is told', () => {
  test("torchrun's variables", async () => {
    const { launcher, folder } = start(
      `writeFileSync(join(folder, 'env-' + rank), JSON.stringify(environment));`,
      { nproc: 2, maxRestarts: 3 },
      { environment: { RANK_ID: '7', TORCHELASTIC_USE_AGENT_STORE: 'True', JOB_COMPLETION_INDEX: '4' } },
    );
    expect(await launcher.exit).toMatchObject({ code: 0, stdout: '' });
    const [zero, one] = [0, 1].map(
      (rank): Record<string, string> => JSON.parse(readFileSync(join(folder, `env-${rank}`), 'utf8')),
    );
    expect(one).toMatchObject({
      RANK: '1',
      LOCAL_RANK: '1',
      WORLD_SIZE: '2',
      LOCAL_WORLD_SIZE: '2',
      GROUP_RANK: '0',
      GROUP_WORLD_SIZE: '1',
      ROLE_RANK: '1',
      ROLE_WORLD_SIZE: '2',
      ROLE_NAME: 'default',
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: zero?.MASTER_PORT,
      TORCHELASTIC_RUN_ID: zero?.TORCHELASTIC_RUN_ID,
      TORCHELASTIC_RESTART_COUNT: '0',
      TORCHELASTIC_MAX_RESTARTS: '3',
      TORCHELASTIC_USE_AGENT_STORE: 'False',
      OMP_NUM_THREADS: '1',
    });
    expect(one).not.toHaveProperty('RANK_ID');
    expect(Number(zero?.MASTER_PORT)).toBeGreaterThan(1023);
  });

  test('threads are shared out unless the user says how many', async () => {
    const source = `if (rank === 0) console.log(environment.OMP_NUM_THREADS);`;
    const shared = start(source, { nproc: 64 / 16 }, { environment: { OMP_NUM_THREADS: '' } });
    const { stdout, stderr } = await shared.launcher.exit;
    expect(stderr).toMatch(new RegExp(`4 ranks on \\d+ cores, ${stdout.trim()} threads? each`));
    const stated = start(source, { nproc: 2 }, { environment: { OMP_NUM_THREADS: '3' } });
    expect(await stated.launcher.exit).toMatchObject({ stdout: '3\n', stderr: '' });
  });

  test('stdin is rank 0’s', async () => {
    const { launcher } = start(
      `const text = readFileSync(0, 'utf8'); if (rank === 0 || text !== '') console.log(rank + ':' + text);`,
      { nproc: 2 },
      { stdin: 'words' },
    );
    expect(await launcher.exit).toMatchObject({ code: 0, stdout: '0:words\n' });
  });
});

describe('output', () => {
  test('the terminal shows rank 0, byte for byte; every rank has its files, which a second run appends to', async () => {
    const source = `
      process.stdout.write(Buffer.from([rank, 255, 254, 10]));
      console.error('progress of ' + rank);`;
    const logDir = join(programs.fresh(), 'logs');
    const { launcher } = start(source, { nproc: 2, logDir });
    expect(await launcher.exit).toMatchObject({
      code: 0,
      stdout: '\u0000\ufffd\ufffd\n',
      stderr: 'progress of 0\n',
    });
    for (const rank of [0, 1]) {
      expect([...readFileSync(join(logDir, `rank_${rank}`, 'stdout'))]).toEqual([rank, 255, 254, 10]);
      expect(readFileSync(join(logDir, `rank_${rank}`, 'stderr'), 'utf8')).toMatch(
        new RegExp(`^--- xinghe launch: rank ${rank} of 2, start 1, .*\nprogress of ${rank}\n$`),
      );
    }
    expect((await start(source, { nproc: 2, logDir }).launcher.exit).code).toBe(0);
    expect(readFileSync(join(logDir, 'rank_1', 'stdout')).length).toBe(8);
  });

  test('a reader that is slow gets everything that rank 0 printed', async () => {
    const { launcher } = start(
      `if (rank === 0) { const line = 'x'.repeat(99); for (let part = 0; part < 20_000; part++) process.stdout.write(line + '\\n'); }`,
      { nproc: 1 },
      { isSlow: true },
    );
    const { code, stdout, stderr } = await launcher.exit;
    expect([code, stdout.length, stderr]).toEqual([0, 2_000_000, '']);
  });

  test('a folder of logs that cannot be made is refused before anything is started', async () => {
    const { launcher, folder } = start('', { nproc: 2, logDir: join(programs.program(''), 'logs') });
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([2, expect.stringContaining('--log-dir')]);
    expect(pids(folder)).toEqual([]);
  });
});

describe('a rank that fails', () => {
  test('kill -9: it is named with its last lines, and the others, deaf to SIGTERM, end within 10 s', async () => {
    const { launcher, folder } = start(
      `process.on('SIGTERM', () => {});
       for (let line = 0; line < 30; line++) console.error('line ' + line);
       process.stderr.write('the last, unfinished');
       arrived('here');
       if (rank === 2) { await allArrived('here'); process.kill(process.pid, 'SIGKILL'); }
       await sleep(60_000);`,
      { nproc: 3 },
    );
    const { code, stderr, seconds } = await launcher.exit;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/rank 2 \(node 0, .*\) was killed by SIGKILL/)]);
    expect(stderr).toContain('  rank 2: line 29\n  rank 2: the last, unfinished\n');
    expect(stderr).not.toContain('rank 2: line 5\n');
    expect(stderr).not.toMatch(/rank [01] \(node/);
    expect(seconds).toBeLessThan(15);
    await nobodyIsLeft(folder);
  });

  test('who fails because a neighbour died is not blamed', async () => {
    const { launcher } = start(
      `arrived('here');
       await allArrived('here');
       if (rank === 3) { writeFileSync(join(folder, 'dying'), ''); process.kill(process.pid, 'SIGKILL'); }
       while (!existsSync(join(folder, 'dying'))) block(1);
       console.error('connection closed by peer');
       process.exit(1);`,
      { nproc: 4 },
    );
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([1, expect.stringContaining('rank 3 (node 0')]);
  });

  test.each([
    ['process.exit(2)', 2, 'ended with exit code 2'],
    ['process.exit(7)', 7, 'ended with exit code 7'],
    ['throw new Error("a fault")', 1, 'rank 1: Error: a fault'],
    [`process.kill(process.pid, 'SIGSEGV')`, 1, 'was killed by SIGSEGV'],
  ])('%s: exit code %i', async (failure, expected, text) => {
    const { launcher, folder } = start(`if (rank === 1) { ${failure} } await sleep(60_000);`, { nproc: 2 });
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([expected, expect.stringContaining(text)]);
    await nobodyIsLeft(folder);
  });

  test('what a dead rank had started is ended, too', async () => {
    const { launcher, folder } = start(
      `const { spawn } = await import('node:child_process');
       const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'inherit' });
       appendFileSync(join(folder, 'pids'), child.pid + '\\n');
       await sleep(50);
       if (rank === 1) process.kill(process.pid, 'SIGKILL');
       await sleep(60_000);`,
      { nproc: 2 },
    );
    expect((await launcher.exit).code).toBe(1);
    expect(pids(folder).length).toBe(4);
    await nobodyIsLeft(folder);
  });

  test('a program that is not there', async () => {
    const launcher = new LauncherProcess(
      { program: { file: '/nowhere/xinghe', args: [] }, command: [], nproc: 2 },
      programs.fresh(),
    );
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([1, expect.stringContaining('ended with exit code 1')]);
  });
});

describe('signals', () => {
  const saving = `
    startHeartbeat();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1']) process.once(signal, () => {
      arrived(signal);
      setTimeout(() => process.exit(signal === 'SIGINT' ? 130 : 0), 100 + 200 * rank);
    });
    arrived('here');
    await sleep(60_000);`;

  test.each<[NodeJS.Signals, number]>([
    ['SIGTERM', 0],
    ['SIGUSR1', 0],
    ['SIGINT', 130],
  ])('%s is handed to every rank once, which save and end: exit code %i', async (signal, code) => {
    const { launcher, folder } = start(saving, { nproc: 3, maxRestarts: 2 });
    await until(() => lines(folder, 'here').length === 3, 'three ranks');
    // As a scheduler that signals all processes of a job.
    for (const pid of pids(folder)) process.kill(pid, signal);
    launcher.kill(signal);
    const ended = await launcher.exit;
    expect([ended.code, ended.stderr]).toEqual([
      code,
      expect.stringContaining(`${signal}: handed to all ranks`),
    ]);
    expect(lines(folder, signal).sort()).toEqual(['0', '1', '2']);
    expect(ended.stderr).not.toContain('start again');
  });

  test('a rank that ends with 130 by itself: the others are asked to save and end', async () => {
    const { launcher, folder } = start(saving, { nproc: 3, maxRestarts: 2 });
    await until(() => lines(folder, 'here').length === 3, 'three ranks');
    process.kill(pids(folder)[1] ?? 0, 'SIGINT');
    expect((await launcher.exit).code).toBe(130);
    expect(lines(folder, 'SIGINT').sort()).toEqual(['0', '1', '2']);
  });

  test('a second SIGINT ends at once; a second SIGTERM does not', async () => {
    const { launcher, folder } = start(
      `for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => arrived(signal));
       arrived('here');
       await sleep(60_000);`,
      { nproc: 2 },
    );
    await until(() => lines(folder, 'here').length === 2, 'two ranks');
    launcher.kill('SIGTERM');
    await launcher.says('SIGTERM: handed to all ranks');
    launcher.kill('SIGTERM');
    await launcher.says('are ending already');
    launcher.kill('SIGINT');
    const { code, seconds } = await launcher.exit;
    expect(code).toBe(130);
    expect(seconds).toBeLessThan(4);
    await nobodyIsLeft(folder);
  });

  test('ranks that end by the signal itself were interrupted', async () => {
    const { launcher, folder } = start(`arrived('here'); await sleep(60_000);`, { nproc: 2, maxRestarts: 1 });
    await until(() => lines(folder, 'here').length === 2, 'two ranks');
    launcher.kill('SIGTERM');
    expect(await launcher.exit).toMatchObject({ code: 130 });
  });

  test('a launcher that is killed: its ranks save and end', async () => {
    const { launcher, folder } = start(saving, { nproc: 2 });
    await until(() => lines(folder, 'here').length === 2, 'two ranks');
    launcher.kill('SIGKILL');
    await launcher.exit;
    await nobodyIsLeft(folder);
    expect(lines(folder, 'SIGTERM').sort()).toEqual(['0', '1']);
  });
});

describe('restarts', () => {
  test('all ranks start again, later each time, at a new port, and the count is told', async () => {
    const { launcher, folder } = start(
      `appendFileSync(join(folder, 'starts'), [rank, restart, environment.MASTER_PORT, Date.now(), ...process.argv.slice(2)].join(' ') + '\\n');
       if (restart < 2) { if (rank === 1) process.exit(9); await sleep(60_000); }`,
      { nproc: 2, maxRestarts: 3, firstDelay: 300, command: ['train', '--set', 'a=1'] },
    );
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('start again in 0.3 s; 2 of 3 restarts are left'),
    ]);
    expect(stderr).toContain('start again in 0.6 s; 1 of 3 restarts are left');
    expect(stderr.match(/rank 1 \(node 0, .* ended with exit code 9/g)?.length).toBe(2);
    const starts = lines(folder, 'starts').map((line) => line.split(' '));
    expect(starts.map(([rank, restart]) => `${restart}/${rank}`).sort()).toEqual([
      '0/0',
      '0/1',
      '1/0',
      '1/1',
      '2/0',
      '2/1',
    ]);
    expect(new Set(starts.map(([, , port]) => port)).size).toBe(3);
    for (const [, restart, , , ...args] of starts)
      expect(args).toEqual(
        restart === '0' ? ['train', '--set', 'a=1'] : ['train', '--resume', 'auto', '--set', 'a=1'],
      );
    await nobodyIsLeft(folder);
  });

  test('no more often than asked for; the exit code is the last failure’s', async () => {
    const { launcher, folder } = start(`arrived('starts'); process.exit(5 + restart);`, {
      nproc: 1,
      maxRestarts: 2,
      firstDelay: 20,
    });
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([7, expect.stringContaining('no restart is left of 2')]);
    expect(lines(folder, 'starts').length).toBe(3);
  });

  test('bad input is not tried again', async () => {
    const { launcher, folder } = start(`arrived('starts'); process.exit(2);`, { nproc: 1, maxRestarts: 2 });
    expect((await launcher.exit).code).toBe(2);
    expect(lines(folder, 'starts').length).toBe(1);
  });

  test('a signal while it waits ends it', async () => {
    const { launcher, folder } = start(`arrived('starts'); process.exit(5);`, {
      nproc: 1,
      maxRestarts: 2,
      firstDelay: 60_000,
    });
    await launcher.says('start again in 60 s');
    launcher.kill('SIGINT');
    expect(await launcher.exit).toMatchObject({ code: 130 });
    expect(lines(folder, 'starts').length).toBe(1);
  });
});

describe('the watchdog', () => {
  test('SIGSTOP: the stopped rank is named, not those that wait for it, and where each was is told', async () => {
    const { launcher, folder } = start(
      `startHeartbeat();
       heartbeat({ step: 11, phase: 'forward' });
       arrived('here');
       await allArrived('here');
       heartbeat({ step: 12, phase: rank === 1 ? 'forward' : 'all-reduce' });
       await sleep(1_500);
       if (rank === 1) process.kill(process.pid, 'SIGSTOP');
       block(60_000);`,
      { nproc: 3, timeout: 3 },
    );
    const { code, stderr, seconds } = await launcher.exit;
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(
        /rank 1 \(node 0, process \d+\) has given no sign of life for \d.\d s: a signal has stopped it/,
      ),
    ]);
    expect(stderr).toMatch(/rank 0 \(node 0, process \d+\): step 12, all-reduce, for \d\.\d s\n/);
    expect(stderr).toMatch(
      /rank 1 \(node 0, process \d+\): step 12, forward, for \d\.\d s(; last heard \d\.\d s ago)?; stopped/,
    );
    expect(stderr).toMatch(/rank 2 \(node 0, process \d+\): step 12, all-reduce/);
    expect(seconds).toBeLessThan(14);
    await nobodyIsLeft(folder);
  });

  test('all live and none gets on: the one that has stood still for longest is named; a restart may follow', async () => {
    const { launcher } = start(
      `startHeartbeat();
       if (restart > 0) process.exit(0);
       heartbeat({ step: 3, phase: 'backward' });
       arrived('here');
       await allArrived('here');
       await sleep(400);
       if (rank !== 2) heartbeat({ step: 3, phase: 'reduce-scatter' });
       block(60_000);`,
      { nproc: 3, timeout: 2, maxRestarts: 1, firstDelay: 20 },
    );
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /no rank has made progress for 2.0 s; rank 2 \(.*\) has stood still for longest, .*, in backward/,
      ),
    ]);
  });

  test('one that makes progress speaks for those that wait for it; waiting for work may last', async () => {
    const { launcher } = start(
      `startHeartbeat();
       heartbeat({ step: 1, phase: rank === 1 ? 'barrier' : 'save' });
       for (let part = 0; part < 30; part++) { if (rank === 0) heartbeat({ step: 1, phase: 'save' }); await sleep(400); }
       heartbeat({ step: 1, phase: undefined });
       await sleep(12_000);`,
      // A machine with other work may be a few seconds late.
      { nproc: 2, timeout: 8 },
    );
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([0, '']);
  });

  test('a launcher that was stopped itself blames nobody', async () => {
    const { launcher, folder } = start(
      `startHeartbeat();
       arrived('here');
       for (let part = 0; part < 30; part++) { heartbeat({ step: part, phase: 'forward' }); await sleep(200); }`,
      { nproc: 2, timeout: 2 },
    );
    await until(() => lines(folder, 'here').length === 2, 'two ranks');
    launcher.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    launcher.kill('SIGCONT');
    const { code, stderr } = await launcher.exit;
    expect([code, stderr]).toEqual([0, '']);
  });
});
