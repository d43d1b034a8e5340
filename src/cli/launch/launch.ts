/** `xinghe launch`: a command as several ranks. */
import { fileURLToPath } from 'node:url';
import {
  DEFAULT_RENDEZVOUS_PORT,
  type LaunchOptions,
  launch as launchRanks,
  parseRendezvous,
  placeOfServer,
  readRankTable,
} from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { type OptionValues, parseOptions } from '../options.js';

const specs = {
  nproc: { kind: 'integer', min: 1, help: 'ranks on this machine; with --rank-table: as many as it has' },
  nnodes: { kind: 'integer', min: 1, value: 'M', help: 'machines; default 1' },
  'node-rank': { kind: 'integer', min: 0, value: 'K', help: 'which of them this is, 0 to M-1' },
  rendezvous: {
    kind: 'string',
    value: 'HOST:PORT',
    help: `an address of node 0 at which the launchers meet; port ${DEFAULT_RENDEZVOUS_PORT} if left out`,
  },
  'max-restarts': {
    kind: 'integer',
    min: 0,
    value: 'R',
    help: 'start all ranks again after a failure, at most so often; train goes on from its newest checkpoint; default 0',
  },
  'log-dir': { kind: 'string', value: 'DIR', help: 'write DIR/rank_{i}/stdout and stderr of every rank' },
  timeout: {
    kind: 'number',
    min: 2,
    value: 'S',
    help: 'seconds without a sign of life or progress until a rank counts as hung, and for the rendezvous; default 600',
  },
  'rank-table': {
    kind: 'string',
    value: 'FILE',
    help: 'start the ranks that a rank table (RANK_TABLE_FILE) has for this server',
  },
  'server-ip': { kind: 'string', value: 'IP', help: 'which server of the rank table this is' },
} as const;

const help = {
  command: 'xinghe launch',
  summary: 'run a command as several ranks: xinghe launch --nproc N -- train --config FILE',
  notes:
    'xinghe launch rank-table and xinghe launch merge-rank-tables make rank tables (--help of each tells more).\n' +
    'stdout and stderr of rank 0 are shown; a failing rank is named with its last lines. Exit code: 0, or that of the rank that failed first.',
};

export async function launch(args: readonly string[]): Promise<number> {
  if (args[0] === 'rank-table') return (await import('./launch-rank-table.js')).makeRankTable(args.slice(1));
  if (args[0] === 'merge-rank-tables')
    return (await import('./launch-rank-table.js')).mergeTables(args.slice(1));
  const end = args.indexOf('--');
  const options = parseOptions(help, specs, end < 0 ? withoutCommand(args) : args.slice(0, end));
  const command = end < 0 ? [] : args.slice(end + 1);
  checkCommand(command);
  return await launchRanks({
    program: {
      file: process.execPath,
      args: [fileURLToPath(new URL('../../../bin/xinghe', import.meta.url))],
    },
    command,
    maxRestarts: options['max-restarts'],
    logDir: options['log-dir'],
    timeout: options.timeout,
    ...(options['rank-table'] === undefined ? byNumbers(options) : byTable(options['rank-table'], options)),
  });
}

type Options = OptionValues<typeof specs>;
type Where = Pick<LaunchOptions, 'nproc' | 'nodes' | 'nodeRank' | 'rendezvous' | 'rankTable'>;

/** Without `--` the options of the command would be taken for the launcher's. */
function withoutCommand(args: readonly string[]): readonly string[] {
  if (args.includes('--help') || args.includes('-h')) return args;
  throw new InputError(
    'xinghe launch: the command is missing; it stands behind --, as in xinghe launch --nproc 2 -- train --config FILE (see xinghe launch --help)',
  );
}

function checkCommand([name]: readonly string[]): void {
  if (name === undefined || name.startsWith('-'))
    throw new InputError(
      `xinghe launch: behind -- stands a command of xinghe, such as train --config FILE; found ${name === undefined ? 'nothing' : JSON.stringify(name)}.`,
    );
  if (name === 'launch')
    throw new InputError(
      'xinghe launch: a rank cannot be a launcher itself; give the command alone behind --.',
    );
}

function byNumbers(options: Options): Where {
  const { nproc, nnodes = 1, rendezvous } = options;
  const nodeRank = options['node-rank'];
  if (options['server-ip'] !== undefined)
    throw new InputError('xinghe launch: --server-ip goes with --rank-table.');
  if (nproc === undefined)
    throw new InputError(
      'xinghe launch: --nproc is required: how many ranks this machine runs (or --rank-table FILE).',
    );
  if (nnodes > 1 && (nodeRank === undefined || rendezvous === undefined))
    throw new InputError(
      `xinghe launch: --nnodes ${nnodes} needs --node-rank (0 to ${nnodes - 1}) and --rendezvous HOST:PORT of node 0.`,
    );
  if (nodeRank !== undefined && nodeRank >= nnodes)
    throw new InputError(
      `xinghe launch: --node-rank ${nodeRank}: with --nnodes ${nnodes} the nodes are 0 to ${nnodes - 1}.`,
    );
  const address = rendezvous === undefined ? undefined : parseRendezvous(rendezvous);
  if (nnodes === 1 && address !== undefined)
    log('xinghe launch: one node meets nobody; --rendezvous is not used');
  return { nproc, nodes: nnodes, nodeRank, rendezvous: address };
}

function byTable(file: string, options: Options): Where {
  const table = readRankTable(file);
  const { nproc, nnodes, rendezvous } = options;
  const nodes = table.servers.length;
  if (nnodes !== undefined && nnodes !== nodes)
    throw new InputError(
      `xinghe launch: --nnodes ${nnodes}: ${file} has ${nodes} ${nodes === 1 ? 'server' : 'servers'}.`,
    );
  const place = placeOfServer(file, table, {
    serverIp: options['server-ip'],
    nodeRank: options['node-rank'],
  });
  const server = table.servers[place];
  const ranks = (server?.devices ?? []).map(({ rank, id }) => ({ rank, device: id }));
  if (nproc !== undefined && nproc !== ranks.length)
    throw new InputError(
      `xinghe launch: --nproc ${nproc}: ${file} has ${ranks.length} devices for server ${server?.id}.`,
    );
  const first = table.servers[0]?.id ?? '';
  return {
    nproc: ranks.length,
    nodes,
    nodeRank: place,
    rendezvous:
      rendezvous === undefined ? { host: first, port: DEFAULT_RENDEZVOUS_PORT } : parseRendezvous(rendezvous),
    rankTable: { file, ranks },
  };
}
