/** Several nodes, as launchers of one machine that know each other only by the rendezvous. */
import { existsSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  LauncherFolder,
  type LauncherOptions,
  LauncherProcess,
} from '../../../tests/support/launcher-process.js';
import { isProcess, until } from '../../../tests/support/served-process.js';
import { findFreePort } from './free-port.js';
import type { LaunchOptions } from './launch.js';

const programs = new LauncherFolder();
afterAll(() => programs.remove());

type NodeOptions = Partial<LaunchOptions> & LauncherOptions;

/** @param nodes each its own options beside those that all have */
async function startNodes(source: string, nodes: readonly NodeOptions[]) {
  const folder = programs.fresh();
  const program = { file: process.execPath, args: [programs.program(source)] };
  const rendezvous = { host: '127.0.0.1', port: await findFreePort() };
  const launchers = nodes.map(({ environment, stdin, prefix, ...options }, nodeRank) => {
    const all = {
      program,
      command: [],
      nproc: 2,
      nodes: nodes.length,
      nodeRank,
      rendezvous,
      timeout: 30,
      ...options,
    };
    return new LauncherProcess(all, folder, {
      ...(environment === undefined ? {} : { environment }),
      ...(stdin === undefined ? {} : { stdin }),
      ...(prefix === undefined ? {} : { prefix }),
    });
  });
  return { launchers, folder, rendezvous };
}

const lines = (folder: string, name: string): string[] => {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
};

async function exitsOf(launchers: readonly LauncherProcess[]) {
  return await Promise.all(launchers.map(({ exit }) => exit));
}

async function nobodyIsLeft(folder: string): Promise<void> {
  await until(() => !lines(folder, 'pids').map(Number).some(isProcess), 'the end of all ranks');
}

describe('two nodes', () => {
  test('ranks are numbered node after node, all meet at node 0, whose terminal shows rank 0', async () => {
    const { launchers, folder } = await startNodes(
      `if (rank === 0) console.log('shown');
       const { RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, GROUP_RANK, GROUP_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_RUN_ID, GLOO_SOCKET_IFNAME } = environment;
       appendFileSync(join(folder, 'env'), JSON.stringify({ RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, GROUP_RANK, GROUP_WORLD_SIZE, MASTER_ADDR, MASTER_PORT, TORCHELASTIC_RUN_ID, GLOO_SOCKET_IFNAME }) + '\\n');`,
      [{ nproc: 1 }, { nproc: 2 }],
    );
    const [zero, one] = await exitsOf(launchers);
    expect(zero).toMatchObject({ code: 0, stdout: 'shown\n' });
    expect(one).toMatchObject({ code: 0, stdout: '' });
    const found = lines(folder, 'env').map((line): Record<string, string> => JSON.parse(line));
    found.sort((left, right) => Number(left.RANK) - Number(right.RANK));
    const { MASTER_PORT, TORCHELASTIC_RUN_ID } = found[0] ?? {};
    const shared = {
      WORLD_SIZE: '3',
      GROUP_WORLD_SIZE: '2',
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT,
      TORCHELASTIC_RUN_ID,
      GLOO_SOCKET_IFNAME: 'lo',
    };
    expect(found).toEqual([
      { ...shared, RANK: '0', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1', GROUP_RANK: '0' },
      { ...shared, RANK: '1', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '2', GROUP_RANK: '1' },
      { ...shared, RANK: '2', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '2', GROUP_RANK: '1' },
    ]);
  });

  test('a rank that is killed on one ends the other, and both name it', async () => {
    const { launchers, folder } = await startNodes(
      `console.error('I am ' + rank);
       arrived('here');
       if (rank === 3) { await allArrived('here'); process.kill(process.pid, 'SIGKILL'); }
       await sleep(60_000);`,
      [{}, {}],
    );
    for (const { code, stderr } of await exitsOf(launchers)) {
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/rank 3 \(node 1, .*\) was killed by SIGKILL/),
      ]);
      expect(stderr).toContain('rank 3: I am 3');
    }
    await nobodyIsLeft(folder);
  });

  test('restarts are those of all nodes', async () => {
    const { launchers, folder } = await startNodes(
      `appendFileSync(join(folder, 'starts'), restart + '/' + rank + '/' + environment.MASTER_PORT + '\\n');
       if (restart === 0) { if (rank === 2) process.exit(4); await sleep(60_000); }`,
      [{ maxRestarts: 1, firstDelay: 50 }, {}],
    );
    for (const { code, stderr } of await exitsOf(launchers))
      expect([code, stderr]).toEqual([0, expect.stringContaining('0 of 1 restarts are left')]);
    const starts = lines(folder, 'starts').map((line) => line.split('/'));
    expect(starts.map(([restart, rank]) => `${restart}/${rank}`).sort()).toEqual(
      [0, 1].flatMap((restart) => [0, 1, 2, 3].map((rank) => `${restart}/${rank}`)),
    );
    expect(new Set(starts.map(([, , port]) => port)).size).toBe(2);
  });

  test.each([0, 1])('a signal to the launcher of node %i saves everywhere', async (node) => {
    const { launchers, folder } = await startNodes(
      `startHeartbeat();
       process.once('SIGTERM', () => { arrived('saved'); setTimeout(() => process.exit(0), 100); });
       arrived('here');
       await sleep(60_000);`,
      [{}, {}],
    );
    await until(() => lines(folder, 'here').length === 4, 'four ranks');
    launchers[node]?.kill('SIGTERM');
    expect((await exitsOf(launchers)).map(({ code }) => code)).toEqual([0, 0]);
    expect(lines(folder, 'saved').sort()).toEqual(['0', '1', '2', '3']);
  });

  test('a rank that is stopped on one is found, and all ranks are listed', async () => {
    const { launchers, folder } = await startNodes(
      `startHeartbeat();
       heartbeat({ step: 5, phase: 'all-gather' });
       arrived('here');
       await allArrived('here');
       await sleep(1_000);
       if (rank === 3) process.kill(process.pid, 'SIGSTOP');
       await sleep(60_000);`,
      [{ timeout: 3 }, {}],
    );
    for (const { code, stderr } of await exitsOf(launchers)) {
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/rank 3 \(node 1, .*\) has given no sign of life/),
      ]);
      for (const rank of [0, 1, 2, 3])
        expect(stderr).toMatch(new RegExp(`  rank ${rank} \\(node ${rank >> 1}, .*: step 5, all-gather`));
    }
    await nobodyIsLeft(folder);
  });

  test.each([
    [0, 1, 'the launcher of node 0'],
    [1, 0, 'node 1: its launcher'],
  ])('the launcher of node %i is killed: node %i ends', async (killed, other, text) => {
    const { launchers, folder } = await startNodes(
      `startHeartbeat(); arrived('here'); await sleep(60_000);`,
      [{}, {}],
    );
    await until(() => lines(folder, 'here').length === 4, 'four ranks');
    launchers[killed]?.kill('SIGKILL');
    const exit = await launchers[other]?.exit;
    expect([exit?.code, exit?.stderr]).toEqual([1, expect.stringContaining(text)]);
    await nobodyIsLeft(folder);
  });
});

test('a launcher that died is started again and joins the next start', async () => {
  const source = `startHeartbeat(); arrived('here-' + restart); if (restart === 0) await sleep(60_000);`;
  const { launchers, folder, rendezvous } = await startNodes(source, [
    { maxRestarts: 1, firstDelay: 10 },
    {},
  ]);
  await until(() => lines(folder, 'here-0').length === 4, 'four ranks');
  const [zero, one] = launchers;
  one?.kill('SIGKILL');
  await zero?.says('all ranks start again');
  const program = { file: process.execPath, args: [programs.program(source)] };
  const again = new LauncherProcess(
    { program, command: [], nproc: 1, nodes: 2, nodeRank: 1, rendezvous, timeout: 30 },
    folder,
  );
  expect([(await zero?.exit)?.code, (await again.exit).code]).toEqual([0, 0]);
  expect(lines(folder, 'here-1').sort()).toEqual(['0', '1', '2']);
});

describe('a rendezvous', () => {
  test('that nobody answers ends after its time with the address', async () => {
    const [launcher] = (await startNodes('', [{ nodes: 2, nodeRank: 1, timeout: 2 }])).launchers;
    const exit = await launcher?.exit;
    expect([exit?.code, exit?.stderr]).toEqual([
      2,
      expect.stringMatching(/nobody answered at the rendezvous 127\.0\.0\.1:\d+ within 2 s/),
    ]);
  });

  test('to which a node does not come names it', async () => {
    const { launchers } = await startNodes('', [
      { nodes: 3, timeout: 3 },
      { nodes: 3, timeout: 20 },
    ]);
    for (const { code, stderr } of await exitsOf(launchers))
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/node 2 of 3 did not come to the rendezvous 127\.0\.0\.1:\d+ within 3 s/),
      ]);
  });

  test('whose port is in use is refused', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      }),
    );
    const [launcher] = (await startNodes('', [{ nodes: 2, rendezvous: { host: '127.0.0.1', port } }]))
      .launchers;
    const exit = await launcher?.exit;
    server.close();
    expect([exit?.code, exit?.stderr]).toEqual([
      2,
      expect.stringContaining(`127.0.0.1:${port}: the port is in use`),
    ]);
  });

  test('a second node of the same number is refused; the run goes on', async () => {
    const { launchers, folder } = await startNodes(`arrived('here');`, [
      { nodes: 3 },
      { nodes: 3, nodeRank: 1 },
      { nodes: 3, nodeRank: 1 },
      { nodes: 3, nodeRank: 2 },
    ]);
    const exits = await exitsOf(launchers);
    expect(exits.map(({ code }) => code).sort()).toEqual([0, 0, 0, 2]);
    expect(exits.find(({ code }) => code === 2)?.stderr).toContain('there is a node 1 already');
    expect(lines(folder, 'here').sort()).toEqual(['0', '1', '2', '3', '4', '5']);
  });

  test('other numbers of nodes do not fit together: one message on both', async () => {
    const { launchers } = await startNodes('', [{ nodes: 2 }, { nodes: 3, nodeRank: 1 }]);
    for (const { code, stderr } of await exitsOf(launchers))
      expect([code, stderr]).toEqual([
        2,
        expect.stringContaining('was started with --nnodes 3 and node 0 with --nnodes 2'),
      ]);
  });

  test('what is no launcher does no harm', async () => {
    const { launchers, rendezvous } = await startNodes('await sleep(500);', [{ nodes: 2 }]);
    const [zero] = launchers;
    await until(
      () =>
        new Promise<boolean>((resolve) => {
          const socket = connect(rendezvous, () => {
            socket.write('GET / HTTP/1.1\r\n\r\n');
            socket.on('close', () => resolve(true));
          });
          socket.on('error', () => resolve(false));
        }),
      'node 0 to close a foreign connection',
    );
    const one = new LauncherProcess(
      {
        program: { file: process.execPath, args: ['-e', ''] },
        command: [],
        nproc: 1,
        nodes: 2,
        nodeRank: 1,
        rendezvous,
        timeout: 20,
      },
      programs.fresh(),
    );
    expect([(await zero?.exit)?.code, (await one.exit).code]).toEqual([0, 0]);
  });
});
