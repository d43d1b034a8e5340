/** The tables and the page of an evaluation, beside its results. */
import { join } from 'node:path';
import { writeFileAtomic } from '../../formats/index.js';
import { readRun } from '../comparison/recorded-run.js';
import type { EvaluationResult } from '../run/run-evaluation.js';
import { renderReport } from './page/report-page.js';
import { resultTable, tableCsv, tableMarkdown } from './result-table.js';

export const REPORT_FILE = 'report.html';

/** @param folder that holds results.json and samples.jsonl of this result */
export function writeReports(folder: string, result: EvaluationResult): void {
  const table = resultTable(result);
  writeFileAtomic(join(folder, 'results.md'), tableMarkdown(table));
  writeFileAtomic(join(folder, 'results.csv'), tableCsv(table));
  writeFileAtomic(join(folder, REPORT_FILE), renderReport([readRun(folder)]));
}
