/** Which rank of how many this process is, as torchrun tells it: by variables of the environment. */
import { InputError } from '../errors/index.js';

export interface RankEnvironment {
  readonly rank: number;
  /** Ranks in all. */
  readonly size: number;
  /** Among the ranks of this machine. */
  readonly localRank: number;
  readonly localSize: number;
  /** Where rank 0 serves the store. */
  readonly host: string;
  readonly port: number;
}

/** undefined for a process on its own. @throws InputError for variables that do not fit together */
export function rankEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): RankEnvironment | undefined {
  const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = environment;
  if (RANK === undefined || WORLD_SIZE === undefined) return undefined;
  const number = (name: string, text: string): number => {
    if (!/^\d+$/.test(text)) throw new InputError(`${name}=${text}: expected a whole number`);
    return Number(text);
  };
  const size = number('WORLD_SIZE', WORLD_SIZE);
  const rank = number('RANK', RANK);
  if (rank >= size) throw new InputError(`RANK=${rank}: WORLD_SIZE is ${size}, ranks are 0 to ${size - 1}`);
  return {
    rank,
    size,
    localRank: number('LOCAL_RANK', LOCAL_RANK ?? RANK),
    localSize: number('LOCAL_WORLD_SIZE', LOCAL_WORLD_SIZE ?? WORLD_SIZE),
    host: MASTER_ADDR ?? '127.0.0.1',
    port: number('MASTER_PORT', MASTER_PORT ?? '29500'),
  };
}
