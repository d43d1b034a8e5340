import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { InputError } from '../../errors/index.js';
import { launch } from './launch.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-cli-launch-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** @returns what the command prints to stdout */
async function run(...args: string[]): Promise<string> {
  let printed = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  try {
    expect(await launch(args)).toBe(0);
  } finally {
    write.mockRestore();
  }
  return printed;
}

async function tableOf(range: string, server: string): Promise<string> {
  return (await run('rank-table', range, '--server-ip', server, '--output', folder)).trim();
}

describe('rank tables', () => {
  test('are written under the published names, whose paths are printed, and merged', async () => {
    const first = await tableOf('[0,2)', '10.0.0.1');
    const second = await tableOf('[4,8)', '10.0.0.2');
    expect(first).toBe(join(folder, 'hccl_2p_01_10.0.0.1.json'));
    expect(second).toBe(join(folder, 'hccl_4p_4567_10.0.0.2.json'));
    const merged = (await run('merge-rank-tables', first, second, '--output', folder)).trim();
    expect(merged).toBe(join(folder, 'hccl_2s_6p.json'));
    const { server_count, server_list } = JSON.parse(readFileSync(merged, 'utf8'));
    expect(server_count).toBe('2');
    expect(
      server_list.map(({ device }: { device: { rank_id: string }[] }) =>
        device.map(({ rank_id }) => rank_id),
      ),
    ).toEqual([
      ['0', '1'],
      ['2', '3', '4', '5'],
    ]);
  });

  test('addresses of the devices may be given', async () => {
    const [path, other] = [await tableOf('[2,4)', '10.0.0.3'), join(folder, 'other')];
    await run(
      'rank-table',
      '[2,4)',
      '--server-ip',
      '10.0.0.3',
      '--device-ips',
      '1.1.1.1,1.1.1.2',
      '--output',
      other,
    );
    expect(readFileSync(path, 'utf8')).toContain('"device_ip": "10.0.0.3"');
    expect(readFileSync(join(other, 'hccl_2p_23_10.0.0.3.json'), 'utf8')).toMatch(
      /1\.1\.1\.1"[\s\S]*1\.1\.1\.2"/,
    );
  });
});

describe('refused before anything is started', () => {
  const table = join(folder, 'two.json');
  const server = (id: string, rank: number) => ({
    server_id: id,
    device: [{ device_id: '0', rank_id: String(rank) }],
  });
  writeFileSync(
    table,
    JSON.stringify({ server_count: '2', server_list: [server('192.0.2.77', 0), server('192.0.2.78', 1)] }),
  );

  test.each<[string, RegExp]>([
    ['', /the command is missing; it stands behind --/],
    ['--nproc 2', /the command is missing/],
    ['--nproc 2 train --config x', /the command is missing/],
    ['--nproc 2 --', /found nothing/],
    ['--nproc 2 -- --config x', /found "--config"/],
    ['--nproc 2 -- launch --nproc 2', /cannot be a launcher/],
    ['-- train', /--nproc is required/],
    ['--nproc 0 -- train', /--nproc is 0; give 1 or more/],
    ['--nproc two -- train', /--nproc is "two"/],
    ['--nprocs 2 -- train', /did you mean --nproc/],
    ['--nproc 2 --timeout 0 -- train', /--timeout is 0/],
    ['--nproc 2 --nnodes 2 -- train', /--nnodes 2 needs --node-rank \(0 to 1\) and --rendezvous/],
    [
      '--nproc 2 --nnodes 2 --node-rank 2 --rendezvous a:1 -- train',
      /--node-rank 2: with --nnodes 2 the nodes are 0 to 1/,
    ],
    ['--nproc 2 --nnodes 2 --node-rank 1 --rendezvous a:b -- train', /--rendezvous a:b: expected HOST:PORT/],
    ['--nproc 2 --server-ip 1.1.1.1 -- train', /--server-ip goes with --rank-table/],
    [`--rank-table ${table} -- train`, /none of its servers \(192\.0\.2\.77, 192\.0\.2\.78\)/],
    [
      `--rank-table ${table} --nproc 2 --node-rank 0 -- train`,
      /--nproc 2: .* has 1 devices for server 192\.0\.2\.77/,
    ],
    [`--rank-table ${table} --nnodes 3 -- train`, /--nnodes 3: .* has 2 servers/],
    ['--rank-table /nowhere -- train', /\/nowhere does not exist/],
    ['rank-table', /give one range of devices/],
    ['rank-table [0,4) [4,8)', /found "\[0,4\)" "\[4,8\)"/],
    ['rank-table [3,6) --server-ip 1.1.1.1', /straddles device 4/],
    ['rank-table [0,2) --server-ip 1.1.1.1 --device-ips 1.1.1.1', /1 addresses for 2 devices/],
    ['rank-table [0,2) --server-ip 1.1.1.1 --device-ips a,b', /"a" is no IP address/],
    ['rank-table [0,2) --server-ip 1.1.1.1 --visible-devices a', /--visible-devices a/],
    ['merge-rank-tables', /no rank tables/],
    ['merge-rank-tables /nowhere', /\/nowhere does not exist/],
  ])('launch %s', async (line, message) => {
    const failure = await launch(line === '' ? [] : line.split(' ')).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InputError);
    expect(String(failure)).toMatch(message);
  });
});
