/** Which options belong to which plan: one that would change nothing is refused. */
import { InputError } from '../../errors/index.js';
import type { PlanCliOptions } from './plan-options.js';

const OF_GENERATION = ['dtype', 'max-sequences', 'max-batch-tokens', 'kv-dtype'] as const;
const OF_TRAINING = [
  'micro-batch-size',
  'gradient-accumulation-steps',
  'precision',
  'recompute',
  'lora-rank',
  'cache-tokens',
  'peak-gflops',
  'layout',
  'trial',
  'trial-steps',
  'bandwidth',
] as const;

/** @throws InputError naming the option and the plan that it belongs to */
export function refuseOthers(options: PlanCliOptions): void {
  const isGeneration = options.for === 'generation';
  const named = isGeneration ? OF_TRAINING : OF_GENERATION;
  const lists = (['lora-target', 'parallel'] as const).filter((name) => options[name].length > 0);
  const others = [
    ...named.filter((name) => options[name] !== undefined),
    ...(isGeneration ? [...lists, ...(options['offload-optimizer'] ? ['offload-optimizer'] : [])] : []),
  ];
  const [other] = others;
  if (other === undefined) return;
  throw new InputError(
    isGeneration
      ? `xinghe plan: --${other} is about training; leave it out, or --for generation`
      : `xinghe plan: --${other} is about generation; give --for generation, or leave it out`,
  );
}
