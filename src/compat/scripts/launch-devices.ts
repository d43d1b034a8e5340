/**
 * How many devices a launcher takes, as deepspeed (launcher/runner.py), torchrun, accelerate and the variables of the script
 * say it: a step has as many rows as all of them have together.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';

export interface LaunchDevices {
  /** undefined: the script does not say. */
  readonly devices: number | undefined;
  /** Why it does not; a sentence with the way out. */
  readonly doubt: string | undefined;
}

export interface Launch {
  /** The words before the training program. */
  readonly words: readonly string[];
  readonly variables: ReadonlyMap<string, string>;
  /** The script; a host file that is not in the working folder is looked for beside it. */
  readonly source: string;
}

const WAY_OUT = 'this run counts one: --set num_gpus=N says how many.';
const MAX_DEVICES = 99_999;

/** @throws InputError for a selection of devices that the launcher refuses, too */
export function launchDevices(launch: Launch): LaunchDevices {
  const names = launch.words.map((word) => word.replace(/^.*\//, ''));
  if (names.includes('deepspeed') || names.includes('deepspeed.launcher.runner')) return ofDeepspeed(launch);
  if (names.includes('accelerate') || names.includes('accelerate.commands.launch'))
    return ofAccelerate(launch);
  if (names.some((name) => /^(?:torchrun|torch\.distributed\.(?:run|launch))$/.test(name)))
    return ofTorchrun(launch);
  const ranks = optionOf(launch.words, ['np', 'n', 'ntasks']);
  if (/^(?:mpirun|mpiexec|srun)$/.test(names[0] ?? '')) return counted(ranks, names[0] ?? '', 'processes');
  return { devices: visibleDevices(launch.variables), doubt: undefined };
}

function ofDeepspeed({ words, variables, source }: Launch): LaunchDevices {
  const include = optionOf(words, ['include', 'i']);
  const exclude = optionOf(words, ['exclude', 'e']);
  const nodes = optionOf(words, ['num_nodes']);
  const stated = optionOf(words, ['num_gpus', 'num_accelerators']);
  const isStated = [nodes, stated].some((value) => value !== undefined && Number(value) !== -1);
  if (isStated && (include !== undefined || exclude !== undefined))
    throw new InputError(
      `${source}: deepspeed takes --include or --exclude, or --num_nodes and --num_gpus, not both; take one away.`,
    );
  if (include !== undefined && exclude !== undefined)
    throw new InputError(`${source}: deepspeed takes --include or --exclude, not both; take one away.`);
  const hostfile = optionOf(words, ['hostfile', 'H']);
  const hosts = hostfile === undefined ? undefined : readHosts(hostfile, source);
  if (include !== undefined) return included(include, hosts);
  if (hosts !== undefined) return ofHosts(hosts, { exclude, nodes, stated });
  if (hostfile !== undefined && stated === undefined)
    return doubtful(`deepspeed takes its devices from ${hostfile}, which is not here`);
  if (exclude !== undefined) return doubtful(`deepspeed takes all devices of the machine but ${exclude}`);
  if (stated !== undefined && Number(stated) !== -1) {
    const each = counted(stated, 'deepspeed', '--num_gpus');
    const times = nodes === undefined ? 1 : Number(nodes);
    if (each.devices === undefined || times === 1 || times === -1) return each;
    return counted(String(each.devices * times), 'deepspeed', '--num_nodes');
  }
  const visible = visibleDevices(variables);
  return visible === undefined
    ? doubtful('deepspeed takes every device of the machine, and the script does not say how many')
    : { devices: visible, doubt: undefined };
}

type Hosts = ReadonlyMap<string, number>;

/** host:0,1@other: slots of hosts; a host alone stands for all of its slots. */
function included(include: string, hosts: Hosts | undefined): LaunchDevices {
  const chosen = slotsOf(include);
  if (chosen === undefined) return doubtful(`deepspeed --include is ${include}`);
  let devices = 0;
  for (const [host, slots] of chosen) {
    const all = slots.size > 0 ? slots.size : hosts?.get(host);
    if (all === undefined)
      return doubtful(
        `deepspeed --include names every device of ${host}, and the script does not say how many`,
      );
    devices += all;
  }
  return { devices, doubt: undefined };
}

function ofHosts(
  hosts: Hosts,
  { exclude, nodes, stated }: Readonly<Record<'exclude' | 'nodes' | 'stated', string | undefined>>,
): LaunchDevices {
  const left = new Map(hosts);
  const taken = exclude === undefined ? new Map<string, Set<number>>() : slotsOf(exclude);
  if (taken === undefined) return doubtful(`deepspeed --exclude is ${exclude ?? ''}`);
  for (const [host, slots] of taken)
    left.set(host, slots.size === 0 ? 0 : Math.max(0, (left.get(host) ?? 0) - slots.size));
  const used = [...left.values()].slice(0, Number(nodes ?? -1) > 0 ? Number(nodes) : undefined);
  const each = Number(stated ?? -1) > 0 ? Number(stated) : undefined;
  return counted(String(used.reduce((sum, slots) => sum + (each ?? slots), 0)), 'deepspeed', 'host file');
}

function slotsOf(selection: string): Map<string, Set<number>> | undefined {
  if (selection.includes('$')) return undefined;
  const chosen = new Map<string, Set<number>>();
  for (const node of selection.split('@')) {
    const [host = '', list] = node.split(':');
    const slots = chosen.get(host) ?? new Set<number>();
    for (const slot of list?.split(',') ?? []) {
      if (!/^\s*\d+\s*$/.test(slot)) return undefined;
      slots.add(Number(slot));
    }
    chosen.set(host, slots);
  }
  return chosen;
}

/** Lines `host slots=N`; undefined where there is no such file, as deepspeed has it. */
function readHosts(path: string, source: string): Hosts | undefined {
  const file = existsSync(path) ? path : join(dirname(source), path);
  if (!existsSync(file)) return undefined;
  const hosts = new Map<string, number>();
  for (const [index, raw] of readFileSync(file, 'utf8').split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, host, slots] = /^(\S+)\s+slots=(\d{1,5})/.exec(line) ?? [];
    if (host === undefined || hosts.has(host))
      throw new InputError(
        `${file}:${index + 1}: a host file has lines "name slots=N", each name once, found ${JSON.stringify(line)}.`,
      );
    hosts.set(host, Number(slots));
  }
  return hosts;
}

function ofTorchrun({ words, variables }: Launch): LaunchDevices {
  const each =
    optionOf(words, ['nproc_per_node', 'nproc-per-node']) ?? variables.get('PET_NPROC_PER_NODE') ?? '1';
  const nodes = optionOf(words, ['nnodes']) ?? variables.get('PET_NNODES') ?? '1';
  if (/^(?:gpu|auto|cpu|xpu)$/.test(each)) {
    const visible = each === 'cpu' ? undefined : visibleDevices(variables);
    if (visible === undefined)
      return doubtful(`torchrun takes every device of the machine (--nproc-per-node ${each})`);
    return counted(product(String(visible), nodes), 'torchrun', '--nnodes');
  }
  return counted(product(each, nodes), 'torchrun', '--nproc-per-node and --nnodes');
}

function product(one: string, other: string): string {
  return /^\d+$/.test(one) && /^\d+$/.test(other)
    ? String(Number(one) * Number(other))
    : `${one} times ${other}`;
}

/** --num_processes counts the processes of all machines. */
function ofAccelerate({ words, variables }: Launch): LaunchDevices {
  const stated = optionOf(words, ['num_processes', 'num-processes', 'n']);
  if (stated !== undefined) return counted(stated, 'accelerate launch', '--num_processes');
  const chosen = optionOf(words, ['gpu_ids', 'gpu-ids']);
  if (chosen !== undefined && chosen !== 'all') return { devices: listed(chosen), doubt: undefined };
  const file = optionOf(words, ['config_file', 'config-file']);
  const visible = file === undefined ? visibleDevices(variables) : undefined;
  if (visible !== undefined) return { devices: visible, doubt: undefined };
  return doubtful(
    file === undefined
      ? 'accelerate launch takes as many processes as its own configuration says, which is not here'
      : `accelerate launch takes as many processes as ${file} says (num_processes)`,
  );
}

function counted(value: string | undefined, launcher: string, where: string): LaunchDevices {
  const devices = value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : 0;
  if (devices >= 1 && devices <= MAX_DEVICES) return { devices, doubt: undefined };
  return doubtful(`${launcher}: ${where} ${value === undefined ? 'is not given' : `is ${value}`}`);
}

function doubtful(why: string): LaunchDevices {
  return { devices: undefined, doubt: `${why}; ${WAY_OUT}` };
}

/** As CUDA reads them: up to the first that is none. undefined: all that there are. */
function visibleDevices(variables: ReadonlyMap<string, string>): number | undefined {
  for (const name of ['CUDA_VISIBLE_DEVICES', 'ASCEND_RT_VISIBLE_DEVICES', 'HIP_VISIBLE_DEVICES']) {
    const value = variables.get(name);
    if (value === undefined || value.trim() === '') continue;
    return value.includes('$') ? undefined : listed(value);
  }
  return undefined;
}

function listed(text: string): number {
  const names = text.split(',').map((name) => name.trim());
  const end = names.findIndex((name) => name === '' || name.startsWith('-'));
  return Math.max(1, new Set(end < 0 ? names : names.slice(0, end)).size);
}

/** The value of --name VALUE, --name=VALUE, -n VALUE or -nVALUE; the last one counts. */
function optionOf(words: readonly string[], names: readonly string[]): string | undefined {
  let found: string | undefined;
  for (const [at, word] of words.entries())
    for (const name of names) {
      if (word === `--${name}` || word === `-${name}`) found = words[at + 1];
      else if (word.startsWith(`--${name}=`)) found = word.slice(name.length + 3);
    }
  return found;
}
