/** Quantised models with what they must compute: those of the repository, and those that lie beside it. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readJsonFile } from '../../src/formats/index.js';

export interface QuantisedGolden {
  readonly name: string;
  readonly folder: string;
  /** sha256 of each layer's weight as float32, [O, I]. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Largest difference of float32 logits from float64 ones. */
  readonly float32Error: number;
}

/** The folder of shared numbers `path`; undefined where it is absent. */
export const sharedQuantised = (path: string): string | undefined => {
  const folder = fileURLToPath(new URL(`../../../shared/golden/quantised/${path}`, import.meta.url));
  return existsSync(folder) ? folder : undefined;
};

const own = fileURLToPath(new URL('../golden/quantised/', import.meta.url));

function goldensIn(root: string, names: readonly string[]): QuantisedGolden[] {
  return names
    .filter((name) => existsSync(`${root}/${name}/expected.json`))
    .map((name) => {
      const folder = `${root}/${name}`;
      const expected = readJsonFile(`${folder}/expected.json`) as {
        readonly dequantised_sha256: Record<string, string>;
        readonly logits_fp32_max_diff_from_fp64: number;
      };
      return {
        ...{ name, folder, hashes: expected.dequantised_sha256 },
        float32Error: expected.logits_fp32_max_diff_from_fp64,
      };
    });
}

const foldersIn = (root: string): string[] =>
  existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }).sort() : [];

const shared = sharedQuantised('');

export const quantisedGoldens: readonly QuantisedGolden[] =
  shared === undefined ? goldensIn(own, foldersIn(own)) : goldensIn(shared, foldersIn(shared));
