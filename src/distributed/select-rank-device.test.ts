import { describe, expect, test } from 'vitest';
import { selectRankDevice } from './select-rank-device.js';

const ranks = { RANK: '1', WORLD_SIZE: '2', LOCAL_RANK: '1', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' };

describe('the device of a rank', () => {
  test('several ranks take the CPU', () => expect(selectRankDevice('cpu', ranks)).toBe('cpu'));

  test.each(['cuda', 'cuda:1'])('several ranks cannot take %s, and are told why', (name) =>
    expect(() => selectRankDevice(name, ranks)).toThrow(
      `device "${name}" for 2 ranks: ranks exchange tensors on the CPU alone so far`,
    ),
  );

  test('one process on its own is told of the device itself', () =>
    expect(() => selectRankDevice('tpu', {})).toThrow('device "tpu" is not known'));
});
