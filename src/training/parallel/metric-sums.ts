/** Sums of metrics of every rank. */
import { z } from 'zod';
import type { Collectives } from '../../distributed/index.js';
import type { MetricSum } from '../objective/objective.js';

// JSON has no NaN: it becomes null there.
const number = z.number().or(z.null().transform(() => Number.NaN));
const metricSums = z.array(z.object({ name: z.string(), sum: number, count: number }));

export function gatherMetricSums(group: Collectives, sums: readonly MetricSum[]): MetricSum[][] {
  return group.gatherTexts(JSON.stringify(sums)).map((text) => metricSums.parse(JSON.parse(text)));
}
