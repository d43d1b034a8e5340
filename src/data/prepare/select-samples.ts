/** Which samples become rows, and how often: from mixture, lengths and seeds alone. */
import { InputError } from '../../errors/index.js';
import { GrowingArray } from '../growing-array.js';
import { Permutation } from '../permutation.js';
import { seededBits, seededUnit } from '../seeded-hash.js';
import type { Mixture, MixturePhase } from './mixture.js';

/** The samples that may be drawn. */
export interface Candidates {
  /** Indexes into the arrays below. */
  readonly samples: Uint32Array;
  readonly lengths: Uint32Array;
  readonly files: Uint32Array;
  readonly lines: Uint32Array;
}

export interface Selection {
  /** Draws of each phase, in order. */
  readonly phases: readonly Uint32Array[];
}

/**
 * @param parts machines that share the work: each takes its part of a phase's tokens
 * @throws InputError for a weight on a file that has no sample
 */
export function selectSamples(
  candidates: Candidates,
  mixture: Mixture,
  options: { readonly seed: number; readonly parts: number; readonly inputs: readonly string[] },
): Selection {
  switch (mixture.kind) {
    case 'repeats':
      return { phases: [repeatSamples(candidates, mixture.weights, options.seed)] };
    case 'phases':
      return { phases: drawPhases(candidates, mixture.phases, options) };
  }
}

/** Splits off about `share` of the samples, by a draw for each; one at least where there are two. */
export function splitValidation(
  { samples, files, lines }: Candidates,
  share: number,
  seed: number,
): { train: Uint32Array; validation: Uint32Array } {
  if (share === 0 || samples.length < 2) return { train: samples, validation: new Uint32Array(0) };
  const draw = (sample: number): number => seededUnit(seed, 'validation', files[sample]!, lines[sample]!);
  let validation = samples.filter((sample) => draw(sample) < share);
  if (validation.length === 0) {
    const lowest = samples.reduce((best, sample) => (draw(sample) < draw(best) ? sample : best));
    validation = Uint32Array.of(lowest);
  }
  const held = new Set(validation);
  return { train: samples.filter((sample) => !held.has(sample)), validation };
}

/** The samples in another, seeded order. */
export function shuffleSamples(samples: Uint32Array, seed: number): Uint32Array {
  const permutation = new Permutation(samples.length, seededBits(seed, 'sample order'));
  return samples.map((_, position) => samples[permutation.at(position)]!);
}

/** All first copies, then all second copies, and so on: repeats are far apart. */
function repeatSamples(
  { samples, files, lines }: Candidates,
  weights: readonly number[],
  seed: number,
): Uint32Array {
  const draws = new GrowingArray((length) => new Uint32Array(length));
  for (let copy = 0; copy < Math.max(...weights); copy++)
    for (const sample of samples) {
      const chance = weights[files[sample]!]! - copy;
      if (chance >= 1 || (chance > 0 && seededUnit(seed, 'weight', files[sample]!, lines[sample]!) < chance))
        draws.push(sample);
    }
  return draws.view();
}

/** The samples of one file, taken in order again and again. */
class FileQueue {
  readonly #samples = new GrowingArray((length) => new Uint32Array(length));
  #taken = 0;

  add(sample: number): void {
    this.#samples.push(sample);
  }

  get isEmpty(): boolean {
    return this.#samples.length === 0;
  }

  /** Whether every sample was taken once at least. */
  get isUsedUp(): boolean {
    return this.#taken >= this.#samples.length;
  }

  take(): number {
    return this.#samples.at(this.#taken++ % this.#samples.length);
  }
}

function drawPhases(
  candidates: Candidates,
  phases: readonly MixturePhase[],
  { parts, inputs }: { readonly parts: number; readonly inputs: readonly string[] },
): Uint32Array[] {
  const { samples, files, lengths } = candidates;
  const queues = inputs.map(() => new FileQueue());
  for (const sample of samples) queues[files[sample]!]!.add(sample);
  let total = 0;
  return phases.map(({ untilTokens, weights }, phase) => {
    const drawn = weights.flatMap((weight, file) => (weight > 0 ? [{ file, weight, tokens: 0 }] : []));
    const empty = drawn.find(({ file }) => queues[file]!.isEmpty);
    if (empty !== undefined)
      throw new InputError(`${inputs[empty.file]} has a weight in phase ${phase + 1} but no sample to draw.`);
    const draws = new GrowingArray((length) => new Uint32Array(length));
    const limit = untilTokens === undefined ? undefined : untilTokens / parts;
    while (limit === undefined || total < limit) {
      // The file that is furthest behind its share.
      const next = drawn.reduce((best, file) =>
        file.tokens / file.weight < best.tokens / best.weight ? file : best,
      );
      const queue = queues[next.file]!;
      if (limit === undefined && queue.isUsedUp) break;
      const sample = queue.take();
      draws.push(sample);
      next.tokens += lengths[sample]!;
      total += lengths[sample]!;
    }
    return draws.view();
  });
}
