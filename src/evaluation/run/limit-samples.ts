/** The first samples of a set, taken from its files in turns so that every subject has its share; in their old order. */
import type { Sample } from '../task.js';

export function limitSamples(samples: readonly Sample[], limit: number | undefined): readonly Sample[] {
  if (limit === undefined || samples.length <= limit) return samples;
  const files = new Map<string, Sample[]>();
  for (const sample of samples) {
    const own = files.get(sample.file);
    if (own === undefined) files.set(sample.file, [sample]);
    else own.push(sample);
  }
  const chosen = new Set<Sample>();
  for (let round = 0; chosen.size < limit; round++)
    for (const own of files.values()) {
      const sample = own[round];
      if (sample !== undefined && chosen.size < limit) chosen.add(sample);
    }
  return samples.filter((sample) => chosen.has(sample));
}
