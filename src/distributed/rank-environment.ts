/**
 * Which rank of how many this process is, as whoever started it tells by variables of the environment: torchrun (and our launcher),
 * SLURM's srun, an indexed Job of Kubernetes, or the launch scripts of the published models.
 */
import { InputError } from '../errors/index.js';
import { kubernetesRank } from './environment/kubernetes-rank.js';
import { publishedRank } from './environment/published-rank.js';
import { slurmRank } from './environment/slurm-rank.js';
import { torchrunRank } from './environment/torchrun-rank.js';
import { type Environment, Variables } from './environment/variables.js';

export interface RankEnvironment {
  readonly rank: number;
  /** Ranks in all. */
  readonly size: number;
  /** Among the ranks of this machine. */
  readonly localRank: number;
  readonly localSize: number;
  /** The device of this machine that is this rank's: DEVICE_ID of a published script, else the local rank. */
  readonly device: number;
  /** Where the store is. */
  readonly host: string;
  readonly port: number;
  /** Somebody else serves the store (torchrun's agent): rank 0 must not. */
  readonly isStoreServed: boolean;
  /** How many times the ranks were started before; a store that outlives them holds the keys of those starts. */
  readonly restart: number;
}

/** undefined for a process on its own. @throws InputError for variables that are incomplete or contradict each other */
export function rankEnvironment(environment: Environment = process.env): RankEnvironment | undefined {
  const variables = new Variables(environment);
  variables.agree('RANK', 'RANK_ID');
  variables.agree('WORLD_SIZE', 'RANK_SIZE');
  const found = torchrunRank(variables) ?? publishedRank(variables) ?? scheduledRank(variables);
  if (found === undefined) {
    const size = variables.number('WORLD_SIZE') ?? 1;
    if (size > 1)
      throw new InputError(
        `WORLD_SIZE=${size} in the environment, and nothing says which rank this is; set RANK, or unset WORLD_SIZE for a process on its own.`,
      );
    return undefined;
  }
  check(found);
  return found;
}

function scheduledRank(variables: Variables): RankEnvironment | undefined {
  const slurm = slurmRank(variables);
  const kubernetes = kubernetesRank(variables);
  if (slurm !== undefined && kubernetes !== undefined)
    variables.agree('SLURM_PROCID', 'JOB_COMPLETION_INDEX');
  return slurm ?? kubernetes;
}

function check({ rank, size, localRank, localSize }: RankEnvironment): void {
  if (size < 1) throw new InputError(`WORLD_SIZE=${size} in the environment: there is at least one rank.`);
  if (rank >= size)
    throw new InputError(
      `rank ${rank} by the environment, where there are ${size} ranks: they are 0 to ${size - 1}.`,
    );
  if (localSize < 1 || localSize > size || localRank >= localSize)
    throw new InputError(
      `local rank ${localRank} of ${localSize} by the environment, where there are ${size} ranks in all (LOCAL_RANK, LOCAL_WORLD_SIZE).`,
    );
}
