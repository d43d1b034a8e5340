/** An indexed Job of Kubernetes: each pod is a rank. */
import { InputError } from '../../errors/index.js';
import type { RankEnvironment } from '../rank-environment.js';
import { DEFAULT_PORT, type Variables } from './variables.js';

/** undefined also for the pods of a Job that work each for itself (no WORLD_SIZE). @throws InputError without MASTER_ADDR */
export function kubernetesRank(variables: Variables): RankEnvironment | undefined {
  const rank = variables.number('JOB_COMPLETION_INDEX');
  const size = variables.number('WORLD_SIZE');
  if (rank === undefined || size === undefined || size === 1) return undefined;
  const host = variables.text('MASTER_ADDR');
  if (host === undefined)
    throw new InputError(
      `JOB_COMPLETION_INDEX=${rank} and WORLD_SIZE=${size} in the environment without MASTER_ADDR; set it to the host name of pod 0.`,
    );
  const port = variables.port('MASTER_PORT', DEFAULT_PORT);
  return { rank, size, localRank: 0, localSize: 1, device: 0, host, port, isStoreServed: false, restart: 0 };
}
