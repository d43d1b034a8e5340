import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDeviceAddresses } from './device-addresses.js';
import { type GenerateRankTableOptions, generateRankTable } from './generate-rank-table.js';
import { mergeRankTables } from './merge-rank-tables.js';
import { readRankTable } from './rank-table.js';
import { placeOfServer } from './this-server.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-rank-table-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function save(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const generate = (range: string, more: Partial<GenerateRankTableOptions> = {}) =>
  generateRankTable({
    range,
    serverIp: '10.0.0.1',
    addressesOf: (devices) => new Map(devices.map((device) => [device, `192.168.${device}.1`])),
    ...more,
  });

describe('generateRankTable', () => {
  // The text is that of MindFormers' hccl_tools.py for the same range, server and addresses.
  test('byte for byte as the published tool writes it', () => {
    expect(generate('[4,6)')).toEqual({
      name: 'hccl_2p_45_10.0.0.1.json',
      text: `{
    "version": "1.0",
    "server_count": "1",
    "server_list": [
        {
            "server_id": "10.0.0.1",
            "device": [
                {
                    "device_id": "4",
                    "device_ip": "192.168.4.1",
                    "rank_id": "0"
                },
                {
                    "device_id": "5",
                    "device_ip": "192.168.5.1",
                    "rank_id": "1"
                }
            ],
            "host_nic_ip": "reserve"
        }
    ],
    "status": "completed"
}`,
    });
  });

  test.each([
    ['[0,8)', 'hccl_8p_01234567_10.0.0.1.json'],
    ['[0,4)', 'hccl_4p_0123_10.0.0.1.json'],
    ['[4,8)', 'hccl_4p_4567_10.0.0.1.json'],
    ['[ 7, 8 )', 'hccl_1p_7_10.0.0.1.json'],
  ])('%s', (range, name) => expect(generate(range).name).toBe(name));

  test('a server of 16; a container that shows some devices', () => {
    expect(generate('[0,16)', { devicesPerServer: 16 }).name).toBe(
      'hccl_16p_0123456789101112131415_10.0.0.1.json',
    );
    const { text } = generate('[1,3)', { visibleDevices: [4, 5, 6, 7] });
    expect(
      JSON.parse(text).server_list[0].device.map(({ device_id }: { device_id: string }) => device_id),
    ).toEqual(['5', '6']);
  });

  test.each([
    ['[3,6)', 'straddles device 4'],
    ['[0,5)', 'straddles device 4'],
    ['[1,8)', 'straddles device 4'],
    ['[0,9)', 'behind the devices of a server, which are 0 to 7'],
    ['[3,3)', 'empty'],
    ['[5,4)', 'empty'],
    ['[0,8]', 'expected the first device'],
    ['0-8', 'expected the first device'],
    ['[-1,4)', 'expected the first device'],
  ])('%s is refused', (range, message) => expect(() => generate(range)).toThrow(message));

  test('unknown addresses and doubled devices are refused by number', () => {
    expect(() => generate('[0,2)', { addressesOf: () => new Map([[0, '1.1.1.1']]) })).toThrow(
      'the address of device 1 is not known',
    );
    expect(() => generate('[0,2)', { visibleDevices: [4, 4] })).toThrow('device 4 twice');
    expect(() => generate('[0,4)', { visibleDevices: [4, 5] })).toThrow('the 2 devices of --visible-devices');
    expect(() => generate('[0,2)', { serverIp: 'host' })).toThrow('--server-ip host');
  });

  test('hccn.conf', () => {
    const text = 'address_0=10.1.0.1\n netmask_0=255.0.0.0\naddress_1 = 10.1.0.2\n';
    expect([...parseDeviceAddresses(text)]).toEqual([
      [0, '10.1.0.1'],
      [1, '10.1.0.2'],
    ]);
  });
});

describe('mergeRankTables', () => {
  test('ranks in the order of appearance, everything else kept', () => {
    const first = save('a.json', generate('[0,2)').text);
    const second = save('b.json', {
      version: '1.0',
      server_count: '1',
      server_list: [
        {
          server_id: '10.0.0.2',
          extra: 'é',
          device: [{ device_id: '7', device_ip: 'x', rank_id: '0' }],
          host_nic_ip: 'reserve',
        },
      ],
      status: 'completed',
    });
    const { name, text } = mergeRankTables([second, first]);
    expect(name).toBe('hccl_2s_3p.json');
    expect(text).toContain('"extra": "\\u00e9"');
    expect(text).toMatch(
      /^\{\n {4}"version": "1\.0",\n {4}"server_count": "2",\n {4}"server_list": \[\n {8}\{\n {12}"server_id": "10\.0\.0\.2"/,
    );
    const merged = readRankTable(save('merged.json', text));
    expect(merged.servers).toEqual([
      { id: '10.0.0.2', devices: [{ id: 7, rank: 0 }] },
      {
        id: '10.0.0.1',
        devices: [
          { id: 0, rank: 1 },
          { id: 1, rank: 2 },
        ],
      },
    ]);
    expect(() => mergeRankTables([first, first])).toThrow(
      /a\.json: the server 10\.0\.0\.1 stands in .*a\.json, too/,
    );
    expect(() => mergeRankTables([])).toThrow('no rank tables');
  });
});

describe('readRankTable', () => {
  const device = (id: number, rank: number) => ({
    device_id: String(id),
    device_ip: 'x',
    rank_id: String(rank),
  });
  const server = (id: string, ...devices: object[]) => ({
    server_id: id,
    device: devices,
    host_nic_ip: 'reserve',
  });
  const table = (list: object[], count = String(list.length)) => ({
    version: '1.0',
    server_count: count,
    server_list: list,
    status: 'completed',
  });

  test.each<[string, unknown, RegExp]>([
    [
      'a gap',
      table([server('a', device(0, 0), device(1, 2))]),
      /rank_id 1 is missing among 2 ranks \(the greatest is 2\)/,
    ],
    ['a doubled rank', table([server('a', device(0, 0), device(1, 0))]), /rank_id 0 stands there twice/],
    ['a doubled device', table([server('a', device(0, 0), device(0, 1))]), /server a has device_id 0 twice/],
    ['a doubled server', table([server('a', device(0, 0)), server('a', device(1, 1))]), /the server a twice/],
    [
      'another server count',
      table([server('a', device(0, 0))], '2'),
      /server_count is 2, and server_list has 1/,
    ],
    [
      'not completed',
      { ...table([server('a', device(0, 0))]), status: 'initializing' },
      /status.*"?completed"?/,
    ],
    ['another version', { ...table([server('a', device(0, 0))]), version: '1.2' }, /version/],
    ['no devices', table([server('a')]), /server_list\.0\.device: expected a length of at least 1/],
    ['a rank that is none', table([server('a', { device_id: '0', rank_id: 'x' })]), /rank_id/],
    ['no JSON', '{"version":', /not valid JSON/],
    ['a list', [], /expected/],
  ])('%s is refused', (name, content, message) => {
    expect(() => readRankTable(save(`${name}.json`, content))).toThrow(message);
  });

  test('numbers in the place of texts are read', () => {
    const file = save('numbers.json', {
      server_count: 1,
      server_list: [{ server_id: 'a', device: [{ device_id: 3, rank_id: 0 }] }],
    });
    expect(readRankTable(file).servers).toEqual([{ id: 'a', devices: [{ id: 3, rank: 0 }] }]);
  });
});

describe('placeOfServer', () => {
  const servers = ['10.0.0.1', '10.0.0.2'].map((id) => ({ id, devices: [] }));
  const place = (serverIp?: string, nodeRank?: number, addresses: string[] = []) =>
    placeOfServer('t.json', { servers }, { serverIp, nodeRank }, addresses);

  test('by address, by number, by the addresses of this machine, or the only one', () => {
    expect([
      place('10.0.0.2'),
      place(undefined, 1),
      place(undefined, undefined, ['1.1.1.1', '10.0.0.2']),
    ]).toEqual([1, 1, 1]);
    expect(
      placeOfServer(
        't.json',
        { servers: servers.slice(1) },
        { serverIp: undefined, nodeRank: undefined },
        [],
      ),
    ).toBe(0);
  });

  test('what cannot be told is refused with the servers', () => {
    expect(() => place(undefined, undefined, ['1.1.1.1'])).toThrow(
      /none of its servers \(10\.0\.0\.1, 10\.0\.0\.2\).*1\.1\.1\.1/,
    );
    expect(() => place('9.9.9.9')).toThrow('no server 9.9.9.9');
    expect(() => place('10.0.0.2', 0)).toThrow('is node 1, not 0');
    expect(() => place(undefined, 2)).toThrow('no node 2');
  });
});
