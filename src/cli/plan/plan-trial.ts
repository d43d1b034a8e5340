/** `xinghe plan --layout auto --trial N`: the best layouts by the plan, run for some steps on this machine. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InputError, messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';
import { layoutText, type PlannedLayout, ranksOf, sectionOfLayout } from '../../training/index.js';
import type { PlanCliOptions } from './plan-options.js';

export interface TriedLayout {
  readonly planned: PlannedLayout;
  /** Measured; undefined: it did not run. */
  readonly tokensPerSecond: number | undefined;
  /** Of the rank that took most. */
  readonly peakBytes: number | undefined;
  /** The last lines of one that did not run. */
  readonly failure: string | undefined;
}

/** Options that change what a configuration says: a trial runs the configuration. */
const CHANGES = [
  'config-json',
  'sequence-length',
  'quantize',
  'micro-batch-size',
  'gradient-accumulation-steps',
  'precision',
  'recompute',
  'lora-rank',
] as const;

/** @throws InputError where there is nothing to run */
export function checkTrial(options: PlanCliOptions): void {
  if (options['trial-steps'] !== undefined && options.trial === undefined)
    throw new InputError('xinghe plan: --trial-steps says how long --trial N runs; give --trial too');
  if (options.trial === undefined) return;
  if (options.layout !== 'auto')
    throw new InputError('xinghe plan: --trial runs the best layouts of --layout auto; give that too');
  if (options.config === undefined)
    throw new InputError('xinghe plan: --trial runs a configuration with its rows; give --config FILE');
  const change = CHANGES.find((name) => options[name] !== undefined);
  const flag = options['offload-optimizer'] ? 'offload-optimizer' : undefined;
  const other = change ?? flag ?? (options['lora-target'].length > 0 ? 'lora-target' : undefined);
  if (other !== undefined)
    throw new InputError(
      `xinghe plan: --${other}: --trial runs the configuration as it is; change its key with --set instead`,
    );
}

/** @param planned the best first @param count how many of those that fit are run @returns the fastest first, those that failed last */
export async function tryLayouts(
  options: PlanCliOptions,
  planned: readonly PlannedLayout[],
  count: number,
): Promise<TriedLayout[]> {
  const chosen = planned.filter(({ fits }) => fits).slice(0, count);
  const tried: TriedLayout[] = [];
  for (const [index, one] of chosen.entries()) {
    log(`trial ${index + 1} of ${chosen.length}: ${layoutText(one.layout)}`);
    tried.push(await tryLayout(options, one));
  }
  return tried.sort((a, b) => (b.tokensPerSecond ?? -1) - (a.tokensPerSecond ?? -1));
}

async function tryLayout(options: PlanCliOptions, planned: PlannedLayout): Promise<TriedLayout> {
  const { layout } = planned;
  const ranks = ranksOf(layout);
  const { config = '', 'trial-steps': steps = 4, threads } = options;
  const sets = [
    ...options.set,
    `parallel=${JSON.stringify(sectionOfLayout(layout))}`,
    ...(threads === undefined ? [] : [`threads=${threads}`]),
  ];
  const train = ['train', '--config', config, '--trial', String(steps), '--json', '--set', ...sets];
  const launched = ranks === 1 ? train : ['launch', '--nproc', String(ranks), '--', ...train];
  const { code, stdout, stderr } = await run(launched);
  const failed = (failure: string): TriedLayout => ({
    planned,
    tokensPerSecond: undefined,
    peakBytes: undefined,
    failure,
  });
  if (code !== 0) return failed(reasonIn(stderr) ?? `exit code ${code}`);
  try {
    const found: unknown = JSON.parse(lastLine(stdout) ?? '');
    return { planned, failure: undefined, ...figures(found) };
  } catch (error) {
    return failed(`it told nothing that can be read: ${messageOf(error)}`);
  }
}

function figures(found: unknown): Pick<TriedLayout, 'tokensPerSecond' | 'peakBytes'> {
  const number = (key: string): number | undefined => {
    const value: unknown = typeof found === 'object' && found !== null ? Reflect.get(found, key) : undefined;
    return typeof value === 'number' ? value : undefined;
  };
  return { tokensPerSecond: number('tokens_per_second'), peakBytes: number('peak_bytes') };
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command of ours, to its end; a signal to this process ends it too. */
function run(args: readonly string[]): Promise<Ended> {
  const program = fileURLToPath(new URL('../../../bin/xinghe', import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const texts = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        texts[name] += text;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...texts }));
  });
}

/** What a command said of its end: of ranks, that of the one that failed, before the launcher's line. */
function reasonIn(stderr: string): string | undefined {
  const said = stderr.split('\n').findLast((line) => line.startsWith('xinghe: '));
  return said?.slice('xinghe: '.length) ?? lastLine(stderr);
}

function lastLine(text: string): string | undefined {
  return text.trimEnd().split('\n').at(-1) || undefined;
}
