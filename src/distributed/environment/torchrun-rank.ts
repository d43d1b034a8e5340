/** RANK, WORLD_SIZE and what goes with them, as torchrun and our launcher set them. */
import { InputError } from '../../errors/index.js';
import type { RankEnvironment } from '../rank-environment.js';
import { DEFAULT_PORT, type Variables } from './variables.js';

/** @throws InputError for RANK without WORLD_SIZE, or a scheduler that says another rank */
export function torchrunRank(variables: Variables): RankEnvironment | undefined {
  const rank = variables.number('RANK');
  const size = variables.number('WORLD_SIZE');
  if (rank === undefined) return undefined;
  if (size === undefined)
    throw new InputError(
      `RANK=${rank} in the environment without WORLD_SIZE; set both, or unset RANK for a process on its own.`,
    );
  const localRank = variables.number('LOCAL_RANK');
  // A launcher that was itself started by a scheduler counts in its own way; RANK alone was made of the scheduler's.
  if (localRank === undefined) {
    if (size > 1) variables.agree('RANK', 'SLURM_PROCID');
    variables.agree('RANK', 'JOB_COMPLETION_INDEX');
  }
  const host = variables.text('MASTER_ADDR') ?? '127.0.0.1';
  // Without a launcher nobody says who shares this machine: all do, or nobody.
  const isOneMachine = variables.number('JOB_COMPLETION_INDEX') === undefined && isLoopback(host);
  const localSize = variables.number('LOCAL_WORLD_SIZE') ?? (isOneMachine ? size : (localRank ?? 0) + 1);
  if (localSize < size && variables.text('MASTER_ADDR') === undefined)
    throw new InputError(
      `LOCAL_WORLD_SIZE=${localSize} of WORLD_SIZE=${size} in the environment, so there are several machines, and MASTER_ADDR is not set; ` +
        'set it to the address of rank 0.',
    );
  return {
    rank,
    size,
    localRank: localRank ?? (isOneMachine ? rank : 0),
    localSize,
    device: variables.number('DEVICE_ID') ?? localRank ?? (isOneMachine ? rank : 0),
    host,
    port: variables.port('MASTER_PORT', DEFAULT_PORT),
    isStoreServed: variables.text('TORCHELASTIC_USE_AGENT_STORE') === 'True',
    restart: variables.number('TORCHELASTIC_RESTART_COUNT') ?? 0,
  };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}
