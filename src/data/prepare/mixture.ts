/** How much of each file: `{path: weight}` as TeleChat publishes it, or a curriculum of phases. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { parseConfig } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { readJsonFile } from '../../formats/index.js';

const weights = z
  .record(z.string().min(1), z.number().nonnegative())
  .refine((record) => Object.values(record).some((weight) => weight > 0), 'one weight must be above 0');

const phasesSchema = z.strictObject({
  phases: z.array(z.strictObject({ until_tokens: z.int().positive().optional(), weights })).min(1),
});

/** Weights are those of the input files, by number. */
export type Mixture =
  /** A sample of a file of weight w is taken floor(w) times, and once more with probability frac(w). */
  | { readonly kind: 'repeats'; readonly weights: readonly number[] }
  /** Tokens are taken from the files in proportion to the weights. */
  | { readonly kind: 'phases'; readonly phases: readonly MixturePhase[] };

export interface MixturePhase {
  /** Tokens of all phases together at its end. undefined (the last phase only): until a file runs out. */
  readonly untilTokens: number | undefined;
  readonly weights: readonly number[];
}

/** Reads --weights. @throws InputError for another form, and paths with weights that are no inputs */
export function readMixture(path: string): MixtureFile {
  const value = readJsonFile(path);
  const isCurriculum =
    typeof value === 'object' && value !== null && Array.isArray(Reflect.get(value, 'phases'));
  if (!isCurriculum)
    return {
      path,
      phases: [{ until_tokens: undefined, weights: parseConfig(weights, value, { source: path }) }],
      isCurriculum,
    };
  const { phases } = parseConfig(phasesSchema, value, { source: path });
  let before = 0;
  for (const [index, { until_tokens }] of phases.entries()) {
    const isLast = index === phases.length - 1;
    if (until_tokens === undefined && isLast) continue;
    if (until_tokens === undefined || until_tokens <= before)
      throw new InputError(
        `${path}: phases.${index}.until_tokens is ${until_tokens ?? 'missing'}; it must be above ${before}: ` +
          'tokens are counted from the beginning, and only the last phase may be without.',
      );
    before = until_tokens;
  }
  return { path, phases, isCurriculum };
}

export interface MixtureFile {
  readonly path: string;
  readonly isCurriculum: boolean;
  readonly phases: readonly {
    readonly until_tokens?: number | undefined;
    readonly weights: Readonly<Record<string, number>>;
  }[];
}

/** The files that a mixture names, in its order. */
export function mixtureFiles({ phases }: MixtureFile): string[] {
  const files = new Map<string, string>();
  for (const phase of phases)
    for (const file of Object.keys(phase.weights))
      if (!files.has(resolve(file))) files.set(resolve(file), file);
  return [...files.values()];
}

/** @throws InputError where the mixture and the input files do not agree */
export function mixtureOf(file: MixtureFile | undefined, inputs: readonly string[]): Mixture {
  if (file === undefined) return { kind: 'repeats', weights: inputs.map(() => 1) };
  const numbers = new Map(inputs.map((input, number) => [resolve(input), number]));
  const named = new Set<number>();
  const phases = file.phases.map((phase): MixturePhase => {
    const ofInputs = inputs.map(() => 0);
    for (const [path, weight] of Object.entries(phase.weights)) {
      const number = numbers.get(resolve(path));
      if (number === undefined)
        throw new InputError(`${file.path}: "${path}" has a weight but is not among the --input files.`);
      ofInputs[number] = weight;
      named.add(number);
    }
    return { untilTokens: phase.until_tokens, weights: ofInputs };
  });
  const forgotten = inputs.find((_, number) => !named.has(number));
  if (forgotten !== undefined)
    throw new InputError(
      `${file.path} has no weight for the input ${forgotten}; give it one, 0 to leave it out.`,
    );
  return file.isCurriculum
    ? { kind: 'phases', phases }
    : { kind: 'repeats', weights: phases[0]?.weights ?? [] };
}
