/** A comparison in files: compare.json, compare.md, and the page. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeError, writeFileAtomic } from '../../formats/index.js';
import { warningText } from '../report/page/comparison-warning.js';
import { renderReport } from '../report/page/report-page.js';
import type { RunsComparison } from './compare-runs.js';
import { comparisonMarkdown } from './comparison-table.js';
import type { RecordedRun } from './recorded-run.js';

/** @throws InputError where the folder cannot be written */
export function writeComparison(
  folder: string,
  runs: readonly RecordedRun[],
  comparison: RunsComparison,
): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error, false);
  }
  writeFileAtomic(join(folder, 'compare.html'), renderReport(runs, { comparison }));
  writeFileAtomic(join(folder, 'compare.md'), comparisonMarkdown(comparison));
  writeFileAtomic(join(folder, 'compare.json'), `${JSON.stringify(comparisonJson(comparison), null, 2)}\n`);
}

/** As `--json` prints it. */
export function comparisonJson({ runs, tasks, notInAll }: RunsComparison): object {
  return {
    runs,
    tasks: tasks.map(({ metrics, warnings, ...task }) => ({
      ...task,
      warnings: warnings.map((warning) => warningText(warning, 'en')),
      metrics: metrics.map(({ against_first: pairs, ...metric }) => ({
        ...metric,
        against_first: pairs.map(({ run, difference, interval, mcnemar }) => ({
          run,
          difference,
          confidence_interval: interval,
          mcnemar:
            mcnemar === null
              ? null
              : {
                  first_only: mcnemar.firstOnly,
                  second_only: mcnemar.secondOnly,
                  method: mcnemar.method,
                  p: mcnemar.p,
                },
        })),
      })),
    })),
    not_in_all: notInAll,
  };
}
