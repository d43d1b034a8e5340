import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { firstHost } from './environment/slurm-rank.js';
import { rankEnvironment } from './rank-environment.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-environment-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function table(
  name: string,
  servers: readonly (readonly [string, readonly (readonly [device: number, rank: number])[]])[],
): string {
  const file = join(folder, name);
  const list = servers.map(([id, devices]) => ({
    server_id: id,
    device: devices.map(([device, rank]) => ({
      device_id: String(device),
      device_ip: '1.1.1.1',
      rank_id: String(rank),
    })),
    host_nic_ip: 'reserve',
  }));
  writeFileSync(
    file,
    JSON.stringify({
      version: '1.0',
      server_count: String(servers.length),
      server_list: list,
      status: 'completed',
    }),
  );
  return file;
}

const one = table('one.json', [
  [
    '10.0.0.1',
    [
      [4, 0],
      [5, 1],
      [6, 2],
    ],
  ],
]);
const two = table('two.json', [
  [
    '10.0.0.1',
    [
      [0, 2],
      [1, 3],
    ],
  ],
  [
    '10.0.0.2',
    [
      [0, 0],
      [1, 1],
    ],
  ],
]);

type Environment = Record<string, string>;

describe('a process on its own', () => {
  test.each<[string, Environment]>([
    ['nothing is set', {}],
    ['empty is not set', { RANK: '', WORLD_SIZE: '' }],
    ['a world of one', { WORLD_SIZE: '1' }],
    ['one task of SLURM', { SLURM_PROCID: '0', SLURM_NTASKS: '1' }],
    ['the batch script of SLURM', { SLURM_PROCID: '0', SLURM_NTASKS: '8', SLURM_JOB_ID: '5' }],
    ['salloc', { SLURM_NTASKS: '8', SLURM_JOB_ID: '5' }],
    ['a Job whose pods work each for itself', { JOB_COMPLETION_INDEX: '3' }],
    ['a published script for one device', { RANK_ID: '0', RANK_SIZE: '1', DEVICE_ID: '6' }],
    ['a rank table without a rank', { RANK_TABLE_FILE: '/nowhere' }],
  ])('%s', (_, environment) => expect(rankEnvironment(environment)).toBeUndefined());
});

describe('a rank', () => {
  test.each<[string, Environment, object]>([
    [
      'of torchrun, whose agent serves the store',
      {
        RANK: '3',
        WORLD_SIZE: '4',
        LOCAL_RANK: '1',
        LOCAL_WORLD_SIZE: '2',
        MASTER_ADDR: 'a',
        MASTER_PORT: '5',
        TORCHELASTIC_USE_AGENT_STORE: 'True',
        TORCHELASTIC_RESTART_COUNT: '2',
      },
      {
        rank: 3,
        size: 4,
        localRank: 1,
        localSize: 2,
        device: 1,
        host: 'a',
        port: 5,
        isStoreServed: true,
        restart: 2,
      },
    ],
    [
      'by hand on this machine',
      { RANK: '1', WORLD_SIZE: '2' },
      {
        rank: 1,
        size: 2,
        localRank: 1,
        localSize: 2,
        device: 1,
        host: '127.0.0.1',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of a PyTorchJob: a pod each',
      { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'job-0', MASTER_PORT: '23456' },
      {
        rank: 1,
        size: 2,
        localRank: 0,
        localSize: 1,
        device: 0,
        host: 'job-0',
        port: 23456,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of a launcher that SLURM started',
      {
        RANK: '5',
        WORLD_SIZE: '8',
        LOCAL_RANK: '1',
        LOCAL_WORLD_SIZE: '4',
        MASTER_ADDR: 'n1',
        SLURM_PROCID: '1',
        SLURM_NTASKS: '2',
        SLURM_STEP_ID: '0',
        SLURM_JOB_ID: '7',
      },
      {
        rank: 5,
        size: 8,
        localRank: 1,
        localSize: 4,
        device: 1,
        host: 'n1',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of srun',
      {
        SLURM_PROCID: '5',
        SLURM_NTASKS: '7',
        SLURM_LOCALID: '1',
        SLURM_NODEID: '2',
        SLURM_TASKS_PER_NODE: '2(x2),3',
        SLURM_JOB_ID: '123456',
        SLURM_STEP_ID: '0',
        SLURM_JOB_NODELIST: 'gpu[07-09]',
      },
      {
        rank: 5,
        size: 7,
        localRank: 1,
        localSize: 3,
        device: 1,
        host: 'gpu07',
        port: 18456,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of srun, with an address of the user’s',
      {
        SLURM_PROCID: '1',
        SLURM_NTASKS: '2',
        SLURM_LOCALID: '0',
        MASTER_ADDR: '10.0.0.9',
        MASTER_PORT: '4000',
      },
      {
        rank: 1,
        size: 2,
        localRank: 0,
        localSize: 1,
        device: 0,
        host: '10.0.0.9',
        port: 4000,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of an indexed Job',
      { JOB_COMPLETION_INDEX: '1', WORLD_SIZE: '3', MASTER_ADDR: 'train-0.train' },
      {
        rank: 1,
        size: 3,
        localRank: 0,
        localSize: 1,
        device: 0,
        host: 'train-0.train',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of a published script, one server',
      { RANK_TABLE_FILE: one, RANK_ID: '2', RANK_SIZE: '3', DEVICE_ID: '6' },
      {
        rank: 2,
        size: 3,
        localRank: 2,
        localSize: 3,
        device: 6,
        host: '127.0.0.1',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of a published script, two servers: they meet at that of rank 0',
      { RANK_TABLE_FILE: two, RANK_ID: '3' },
      {
        rank: 3,
        size: 4,
        localRank: 1,
        localSize: 2,
        device: 1,
        host: '10.0.0.2',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
    [
      'of both, which agree',
      {
        RANK: '2',
        WORLD_SIZE: '3',
        LOCAL_RANK: '2',
        LOCAL_WORLD_SIZE: '3',
        RANK_TABLE_FILE: one,
        RANK_ID: '2',
        RANK_SIZE: '3',
        DEVICE_ID: '6',
      },
      {
        rank: 2,
        size: 3,
        localRank: 2,
        localSize: 3,
        device: 6,
        host: '127.0.0.1',
        port: 29500,
        isStoreServed: false,
        restart: 0,
      },
    ],
  ])('%s', (_, environment, expected) => expect(rankEnvironment(environment)).toEqual(expected));
});

describe('refused by name', () => {
  test.each<[Environment, string]>([
    [{ RANK: 'x', WORLD_SIZE: '2' }, 'RANK=x'],
    [{ RANK: '-1', WORLD_SIZE: '2' }, 'RANK=-1'],
    [{ RANK: '0' }, 'RANK=0 .*without WORLD_SIZE'],
    [{ WORLD_SIZE: '2' }, 'WORLD_SIZE=2 .*which rank'],
    [{ RANK: '2', WORLD_SIZE: '2' }, 'rank 2 .*they are 0 to 1'],
    [{ RANK: '0', WORLD_SIZE: '0' }, 'WORLD_SIZE=0'],
    [{ RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '2', LOCAL_WORLD_SIZE: '2' }, 'local rank 2 of 2'],
    [{ RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '3' }, 'local rank 0 of 3'],
    [
      { RANK: '0', WORLD_SIZE: '4', LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '2' },
      'LOCAL_WORLD_SIZE=2 .*MASTER_ADDR',
    ],
    [{ RANK: '0', WORLD_SIZE: '2', MASTER_PORT: '70000' }, 'MASTER_PORT=70000'],
    [{ RANK: '0', WORLD_SIZE: '2', RANK_ID: '1' }, 'RANK=0 and RANK_ID=1'],
    [{ RANK: '0', WORLD_SIZE: '2', RANK_SIZE: '3' }, 'WORLD_SIZE=2 and RANK_SIZE=3'],
    [{ RANK: '0', WORLD_SIZE: '2', SLURM_PROCID: '1' }, 'RANK=0 and SLURM_PROCID=1'],
    [{ RANK: '0', WORLD_SIZE: '2', JOB_COMPLETION_INDEX: '1' }, 'RANK=0 and JOB_COMPLETION_INDEX=1'],
    [{ SLURM_PROCID: '0', SLURM_NTASKS: '2' }, 'SLURM_PROCID=0 of 2 .*without MASTER_ADDR'],
    [
      { SLURM_PROCID: '0', SLURM_NTASKS: '2', WORLD_SIZE: '3', MASTER_ADDR: 'a' },
      'WORLD_SIZE=3 and SLURM_NTASKS=2',
    ],
    [{ JOB_COMPLETION_INDEX: '1', WORLD_SIZE: '3' }, 'JOB_COMPLETION_INDEX=1 .*without MASTER_ADDR'],
    [{ JOB_COMPLETION_INDEX: '3', WORLD_SIZE: '3', MASTER_ADDR: 'a' }, 'rank 3 .*they are 0 to 2'],
    [{ RANK_ID: '1' }, 'RANK_ID=1 .*without RANK_SIZE'],
    [{ RANK_ID: '1', RANK_SIZE: '2' }, 'RANK_SIZE=2 .*without RANK_TABLE_FILE or MASTER_ADDR'],
    [{ RANK_ID: '1', RANK_SIZE: '8', RANK_TABLE_FILE: one }, 'RANK_SIZE=8 .*one.json .* 3 ranks'],
    [{ RANK_ID: '3', RANK_TABLE_FILE: one }, 'RANK_ID=3 .*one.json .*0 to 2'],
    [{ RANK_ID: '1', DEVICE_ID: '1', RANK_TABLE_FILE: one }, 'RANK_ID=1 and DEVICE_ID=1 .*device 5'],
    [{ RANK_ID: '1', RANK_TABLE_FILE: '/nowhere/x.json' }, '/nowhere/x.json does not exist'],
  ])('%j', (environment, message) => expect(() => rankEnvironment(environment)).toThrow(new RegExp(message)));
});

test.each([
  ['node1', 'node1'],
  ['node1,node2', 'node1'],
  ['gpu[07-09,12],login1', 'gpu07'],
  ['gpu[3],x', 'gpu3'],
  ['rack[1-2]n[3,4]-ib', 'rack1n3-ib'],
])('firstHost %s', (list, host) => expect(firstHost(list)).toBe(host));
