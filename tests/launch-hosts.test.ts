/** Two hosts with addresses of their own: network namespaces of this machine, joined by a pair of virtual interfaces. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { LauncherFolder, LauncherProcess } from './support/launcher-process.js';
import { requires } from './support/requires.js';

const names = [0, 1].map((host) => `xinghe-${process.pid}-${host}`);
const addresses = ['10.97.31.1', '10.97.31.2'];

function ip(...words: string[]): boolean {
  return spawnSync('ip', words).status === 0;
}

function makeHosts(): boolean {
  const [zero = '', one = ''] = names;
  const links = [`xh${process.pid % 100_000}a`, `xh${process.pid % 100_000}b`];
  return (
    ip('netns', 'add', zero) &&
    ip('netns', 'add', one) &&
    ip('link', 'add', links[0] ?? '', 'type', 'veth', 'peer', 'name', links[1] ?? '') &&
    names.every(
      (name, host) =>
        ip('link', 'set', links[host] ?? '', 'netns', name) &&
        ip('-n', name, 'link', 'set', links[host] ?? '', 'name', 'fabric0') &&
        ip('-n', name, 'address', 'add', `${addresses[host]}/24`, 'dev', 'fabric0') &&
        ip('-n', name, 'link', 'set', 'fabric0', 'up') &&
        ip('-n', name, 'link', 'set', 'lo', 'up'),
    )
  );
}

const hasHosts = makeHosts();
const programs = new LauncherFolder();
afterAll(() => {
  programs.remove();
  for (const name of names) ip('netns', 'delete', name);
});

describe('two hosts', requires(hasHosts, 'network namespaces cannot be made here (ip netns, veth)'), () => {
  const start = (source: string, more: object = {}) => {
    const folder = programs.fresh();
    const program = { file: process.execPath, args: [programs.program(source)] };
    const rendezvous = { host: addresses[0] ?? '', port: 29_400 };
    const launchers = names.map(
      (name, nodeRank) =>
        new LauncherProcess(
          { program, command: [], nproc: 2, nodes: 2, nodeRank, rendezvous, timeout: 30, ...more },
          folder,
          { prefix: ['ip', 'netns', 'exec', name] },
        ),
    );
    return { folder, exits: () => Promise.all(launchers.map(({ exit }) => exit)) };
  };

  test('four ranks talk over the network between them', async () => {
    const tensor = new URL('../dist/tensor/index.js', import.meta.url).href;
    const { folder, exits } = start(
      `const { Store, operator, floatTensor } = await import(${JSON.stringify(tensor)});
       const { MASTER_ADDR: host, MASTER_PORT: port } = environment;
       const store = new Store({ host, port: Number(port), size, isServer: rank === 0, timeout: 60_000 });
       const group = store.createGlooGroup('world', rank, size, 60_000);
       const sum = operator('_c10d_functional::wait_tensor')(operator('_c10d_functional::all_reduce')(floatTensor([rank + 1], [1]), 'sum', 'world'));
       appendFileSync(join(folder, 'found'), rank + ' ' + sum.toArray()[0] + ' ' + environment.GLOO_SOCKET_IFNAME + '\\n');
       store.set('done-' + rank, '');
       for (let other = 0; rank === 0 && other < size; other++) store.get('done-' + other);`,
    );
    for (const { code, stderr } of await exits()) expect(code, stderr).toBe(0);
    const found = readFileSync(join(folder, 'found'), 'utf8').trim().split('\n').sort();
    expect(found).toEqual([0, 1, 2, 3].map((rank) => `${rank} 10 fabric0`));
  });

  test('a rank that is killed on one host ends the other', async () => {
    const { exits } = start(
      `arrived('here'); await allArrived('here'); if (rank === 2) process.kill(process.pid, 'SIGKILL'); await sleep(60_000);`,
    );
    for (const { code, stderr } of await exits())
      expect([code, stderr]).toEqual([1, expect.stringMatching(/rank 2 \(node 1, .* was killed by SIGKILL/)]);
  });
});
