/** The report as one file that needs nothing else: no network, no server. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { productVersion } from '../../../config/index.js';
import { compiledModule } from '../../../workers/index.js';
import type { RunsComparison } from '../../comparison/compare-runs.js';
import { type RecordedRun, SAMPLES_FILE } from '../../comparison/recorded-run.js';
import { packSamples } from './pack-samples.js';
import type { PageSample, ReportContent } from './report-content.js';
import { pageSample, reportRuns, reportTasks } from './report-data.js';
import { reportBody } from './report-html.js';
import { reportStyle } from './style.js';

/** Characters of all samples together, packed. */
const MOST_SAMPLES = 24 * 2 ** 20;

export interface ReportPageOptions {
  /** Of two runs and more. */
  readonly comparison?: RunsComparison;
  /** Default 24 Mi characters. */
  readonly mostSamples?: number;
}

export function renderReport(
  runs: readonly RecordedRun[],
  { comparison, mostSamples = MOST_SAMPLES }: ReportPageOptions = {},
): string {
  const tasks = reportTasks(runs, comparison);
  const names = tasks.map(({ name }) => name);
  const packed = packSamples(() => samplesOf(runs, names), { most: mostSamples });
  const count = names.reduce((sum, name) => sum + idsOf(runs, name).size, 0);
  const labels = comparison?.runs.map(({ label }) => label) ?? runs.map(({ label }) => label);
  const content: ReportContent = {
    version: productVersion(),
    runs: reportRuns(runs, labels),
    tasks,
    samples: {
      count,
      blocks: packed.blocks.length,
      cutAt: packed.cutAt,
      cutTexts: packed.cutTexts,
      leftOut: packed.leftOut,
      files: runs.map(({ folder }) => join(folder, SAMPLES_FILE)),
    },
  };
  return pageOf(content, packed.blocks);
}

function idsOf(runs: readonly RecordedRun[], task: string): Set<string> {
  return new Set(runs.flatMap(({ samples }) => (samples.get(task) ?? []).map(({ id }) => id)));
}

/** Every sample that a run has, in the order of the first run that has it. */
function* samplesOf(runs: readonly RecordedRun[], names: readonly string[]): Generator<PageSample> {
  for (const [task, name] of names.entries()) {
    const byId = runs.map(({ samples }) => new Map(samples.get(name)?.map((sample) => [sample.id, sample])));
    for (const id of idsOf(runs, name)) {
      const sample = pageSample(
        task,
        byId.map((own) => own.get(id)),
      );
      if (sample !== undefined) yield sample;
    }
  }
}

function pageOf(content: ReportContent, blocks: readonly string[]): string {
  const script = pageScript();
  const hash = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; script-src 'sha256-${hash}'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;
  const title = content.runs.map(({ label }) => label).join(' · ');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeHtml(title)} · Xinghe</title>`,
    `<style>${reportStyle}</style>`,
    '</head>',
    '<body>',
    reportBody,
    `<script type="application/json" id="content">${jsonInHtml(content)}</script>`,
    ...blocks.map((block) => `<script type="text/plain" class="samples">${block}</script>`),
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** The scripts of `client/`, bundled by the build. */
function pageScript(): string {
  const bundle = compiledModule(new URL('./client/report.js', import.meta.url));
  if (!existsSync(bundle)) throw new Error('the scripts of the report are not compiled; run npm run build');
  return readFileSync(bundle, 'utf8').replaceAll(/<(?=\/script|!--)/gi, '\\x3c');
}

/** No text in it can end the element. */
function jsonInHtml(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\p{Cs}\p{Cc}]/gu, '\ufffd');
}
