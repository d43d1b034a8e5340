/** Sums of metrics of every rank. */
import { z } from 'zod';
import type { Collectives } from '../../distributed/index.js';
import type { MetricSum } from '../objective/objective.js';

// JSON has no NaN: it becomes null there.
const number = z.number().or(z.null().transform(() => Number.NaN));
const metricSums = z.array(z.object({ name: z.string(), sum: number, count: number }));

/** @param groups one after the other; undefined: this process alone */
export function gatherMetricSums(
  groups: readonly (Pick<Collectives, 'gatherTexts'> | undefined)[],
  sums: readonly MetricSum[],
): MetricSum[][] {
  let all: MetricSum[][] = [[...sums]];
  for (const group of groups)
    if (group !== undefined)
      all = group.gatherTexts(JSON.stringify(all.flat())).map((text) => metricSums.parse(JSON.parse(text)));
  return all;
}
