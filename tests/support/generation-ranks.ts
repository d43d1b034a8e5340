/** Requests answered by several ranks of one model, and by one process. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { spawnRanks } from './spawn-ranks.js';

const script = fileURLToPath(new URL('generate-ranks.mjs', import.meta.url));

export interface GenerationJob {
  readonly name: string;
  /** A folder. */
  readonly model: string;
  readonly dtype?: string;
  readonly keepIntegers?: boolean;
  readonly kvDType?: 'int8';
  readonly maxDrafts?: number;
  /** Loaded and used by some requests. */
  readonly adapter?: string;
  /** Every rank must refuse it. */
  readonly refusedAdapter?: string;
  /** An adapter in all requests, as `--adapter` has it. */
  readonly baked?: string;
  /** Greatest difference of log-probabilities and hidden states. Default 1e-5. */
  readonly within?: number;
  /** What is chosen may differ where two are nearly alike: numbers of given texts are compared alone. Default false. */
  readonly isNarrow?: boolean;
}

interface Result {
  readonly ids: readonly number[];
  readonly logProbs?: readonly number[];
  readonly promptLogProbs?: readonly number[];
  readonly beams?: readonly (readonly number[])[];
  readonly embedding?: readonly number[];
  readonly end?: readonly unknown[];
}

export interface JobResult {
  readonly results: Readonly<Record<string, Result>>;
  readonly refused: readonly string[];
  readonly kvHeads: number;
}

const GIVEN = ['promptLogProbs', 'embedding'] as const;

export class GenerationRuns {
  readonly folder = mkdtempSync(join(tmpdir(), 'xinghe-generation-ranks-'));

  async run(jobs: readonly GenerationJob[], ranks: number): Promise<void> {
    const file = join(this.folder, `jobs-${ranks}.json`);
    writeFileSync(
      file,
      JSON.stringify(jobs.map((job) => ({ ...job, output: this.#output(job.name, ranks) }))),
    );
    await spawnRanks(script, [file], ranks, jobs.length);
  }

  result(name: string, ranks: number): JobResult {
    return JSON.parse(readFileSync(this.#output(name, ranks), 'utf8'));
  }

  /** Fails unless the same came of a job as of one process. */
  expectAsAlone({ name, within = 1e-5, isNarrow = false }: GenerationJob, ranks: number): void {
    const [wanted, found] = [this.result(name, 1), this.result(name, ranks)];
    expect(found.refused).toEqual(wanted.refused);
    expect(Object.keys(found.results)).toEqual(Object.keys(wanted.results));
    for (const [request, one] of Object.entries(wanted.results)) {
      const other = found.results[request];
      if (!isNarrow) {
        expect(other, request).toMatchObject({ ids: one.ids, ...(one.end && { end: one.end }) });
        expect(other?.beams, request).toEqual(one.beams);
      }
      for (const what of isNarrow ? GIVEN : ([...GIVEN, 'logProbs'] as const)) {
        expect(other?.[what]?.length, `${request} ${what}`).toBe(one[what]?.length);
        for (const [index, value] of (one[what] ?? []).entries())
          expect(Math.abs(value - (other?.[what]?.[index] ?? Number.NaN)), `${request} ${what}`).toBeLessThan(
            within,
          );
      }
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #output(name: string, ranks: number): string {
    return join(this.folder, `${name}-${ranks}.json`);
  }
}
