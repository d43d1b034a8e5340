/** The tasks of a step that SLURM's srun started. */
import { InputError } from '../../errors/index.js';
import type { RankEnvironment } from '../rank-environment.js';
import { DEFAULT_PORT, type Variables } from './variables.js';

/** A job has a port of its own, so that two of them can share a node: 15000 and the last four digits of its number. */
const FIRST_JOB_PORT = 15_000;

/** undefined also for a step of one task, and for the batch script itself. @throws InputError if nothing names rank 0's node */
export function slurmRank(variables: Variables): RankEnvironment | undefined {
  const rank = variables.number('SLURM_PROCID');
  const size = variables.number('SLURM_STEP_NUM_TASKS') ?? variables.number('SLURM_NTASKS');
  if (rank === undefined || size === undefined || size === 1) return undefined;
  const job = variables.number('SLURM_JOB_ID');
  // sbatch sets the numbers for its script, too, which is one process; only srun numbers a step.
  const hasStep = variables.text('SLURM_STEP_ID') ?? variables.text('SLURM_STEPID');
  if (rank === 0 && job !== undefined && hasStep === undefined) return undefined;
  variables.agree(
    'WORLD_SIZE',
    variables.number('SLURM_STEP_NUM_TASKS') === undefined ? 'SLURM_NTASKS' : 'SLURM_STEP_NUM_TASKS',
  );
  const nodes = variables.text('SLURM_STEP_NODELIST') ?? variables.text('SLURM_JOB_NODELIST');
  const host = variables.text('MASTER_ADDR') ?? (nodes === undefined ? undefined : firstHost(nodes));
  if (host === undefined || host === '')
    throw new InputError(
      `SLURM_PROCID=${rank} of ${size} in the environment without MASTER_ADDR or SLURM_JOB_NODELIST; set MASTER_ADDR to the node of rank 0.`,
    );
  const port = job === undefined ? DEFAULT_PORT : FIRST_JOB_PORT + (job % 10_000);
  const localRank = variables.number('SLURM_LOCALID') ?? 0;
  return {
    rank,
    size,
    localRank,
    localSize: tasksOnNode(variables) ?? Math.min(size, localRank + 1),
    device: localRank,
    host,
    port: variables.port('MASTER_PORT', port),
    isStoreServed: false,
    restart: variables.number('SLURM_RESTART_COUNT') ?? 0,
  };
}

/** The tasks of this node by a list such as "4(x2),3". */
function tasksOnNode(variables: Variables): number | undefined {
  const list = variables.text('SLURM_STEP_TASKS_PER_NODE') ?? variables.text('SLURM_TASKS_PER_NODE');
  if (list === undefined) return undefined;
  const counts = list.split(',').flatMap((part) => {
    const [, count, times = '1'] = /^(\d{1,6})(?:\(x(\d{1,6})\))?$/.exec(part.trim()) ?? [];
    return count === undefined ? [] : Array.from({ length: Number(times) }, () => Number(count));
  });
  return counts[variables.number('SLURM_NODEID') ?? 0];
}

/** "gpu[07-09,12],login1" begins with gpu07; "rack[1-2]n[3,4]" with rack1n3. */
export function firstHost(nodes: string): string {
  const [first = ''] = nodes.split(/,(?![^[]*\])/);
  return first.replaceAll(/\[([^\],-]*)[^\]]*\]/g, '$1').trim();
}
