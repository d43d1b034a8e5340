/** The variables that a rank is started with: torchrun's, and of a rank table also the published scripts'. */
import type { NodeStart, RankStart } from './protocol.js';

/** Of whoever started the launcher; they speak of the launcher, or of another run. */
const FOREIGN = [
  'RANK_ID',
  'RANK_SIZE',
  'DEVICE_ID',
  'RANK_TABLE_FILE',
  'TORCHELASTIC_ERROR_FILE',
  'TORCHELASTIC_SIGNALS_TO_HANDLE',
];

export interface RankVariablesOptions {
  /** OMP threads of each rank. */
  readonly threads: number;
  /** What the ranks' connections go through, such as "eth0"; undefined: not known. */
  readonly networkInterface: string | undefined;
  readonly rankTable: string | undefined;
}

/** @param environment the launcher's own */
export function rankVariables(
  rank: RankStart,
  start: NodeStart,
  { threads, networkInterface, rankTable }: RankVariablesOptions,
  environment: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const kept = Object.fromEntries(Object.entries(environment).filter(([name]) => !FOREIGN.includes(name)));
  const table =
    rankTable === undefined
      ? {}
      : {
          RANK_TABLE_FILE: rankTable,
          RANK_ID: String(rank.rank),
          RANK_SIZE: String(start.worldSize),
          DEVICE_ID: String(rank.device),
        };
  return {
    ...(networkInterface === undefined ? {} : { GLOO_SOCKET_IFNAME: networkInterface }),
    ...kept,
    ...table,
    RANK: String(rank.rank),
    LOCAL_RANK: String(rank.localRank),
    WORLD_SIZE: String(start.worldSize),
    LOCAL_WORLD_SIZE: String(start.ranks.length),
    GROUP_RANK: String(start.node),
    GROUP_WORLD_SIZE: String(start.nodes),
    ROLE_RANK: String(rank.rank),
    ROLE_WORLD_SIZE: String(start.worldSize),
    ROLE_NAME: 'default',
    MASTER_ADDR: start.masterAddress,
    MASTER_PORT: String(start.masterPort),
    TORCHELASTIC_RUN_ID: start.run,
    TORCHELASTIC_RESTART_COUNT: String(start.restart),
    TORCHELASTIC_MAX_RESTARTS: String(start.maxRestarts),
    TORCHELASTIC_USE_AGENT_STORE: 'False',
    OMP_NUM_THREADS: String(threads),
  };
}
