/** The report for people: what stdout shows after a preparation. */
import type { PrepareReport, RowCounts } from './report.js';
import { unreadKeysText } from './unread-keys.js';

const BAR_WIDTH = 40;

export function renderReportText(report: PrepareReport): string {
  const { samples, skipped, lengths, validation, contamination } = report;
  const lines = [
    `recipe      ${report.recipe}, packing ${report.packing}, rows of ${report.rowLength} ids` +
      `${report.shard === undefined ? '' : `, part ${report.shard}`}`,
    `samples     ${samples.read} read, ${samples.encoded} encoded, ${samples.used} in the rows` +
      `${validation === undefined ? '' : `, ${samples.validation} held out`}`,
    ...rowLines(validation === undefined ? 'rows' : 'training', report.train),
    ...(validation === undefined ? [] : rowLines('validation', validation)),
    `lengths     ${lengths.min} to ${lengths.max} tokens, mean ${lengths.mean.toFixed(1)}, median ${lengths.median}, ` +
      `90 % up to ${lengths.p90}, 99 % up to ${lengths.p99}`,
    ...histogramLines(lengths.histogram),
    ...drawLines(report),
    `left out    ${skipped.total === 0 ? 'nothing' : `${skipped.total} records, listed in skipped.jsonl`}`,
    ...skipped.reasons.map(
      ({ reason, count, examples }) => `  ${count} ${reason}, e.g. ${examples[0]?.message ?? ''}`,
    ),
  ];
  if (report.unreadKeys.length > 0) lines.push(`not read    ${unreadKeysText(report.unreadKeys)}`);
  if (report.duplicates !== undefined) lines.push(`duplicates  ${report.duplicates} left out`);
  for (const { set, items, itemsHit, itemsTooShort, records, hits } of contamination ?? []) {
    const short = itemsTooShort === 0 ? '' : `, ${itemsTooShort} too short to check`;
    lines.push(`evaluation  ${set}: ${itemsHit} of ${items} items found in ${records} records${short}`);
    for (const { record, item, text } of hits.slice(0, 3))
      lines.push(`  ${record.file}:${record.line} has of ${item}: ${JSON.stringify(text.slice(0, 60))}`);
  }
  return `${lines.join('\n')}\n`;
}

function rowLines(
  label: string,
  { rows, tokens, fillRate, learnedTokens, maskedShare }: RowCounts,
): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return [
    `${label.padEnd(12)}${rows} rows, ${percent(fillRate)} full: ${tokens} tokens, ${learnedTokens} learned, ` +
      `${percent(maskedShare)} masked`,
  ];
}

function histogramLines(histogram: PrepareReport['lengths']['histogram']): string[] {
  const highest = Math.max(1, ...histogram.map(({ count }) => count));
  return histogram.map(({ from, to, count }) => {
    const bar = '█'.repeat(Math.round((BAR_WIDTH * count) / highest));
    const range = from === to ? `${from}` : `${from} to ${to}`;
    return `  ${range.padStart(18)}  ${String(count).padStart(9)}  ${bar}`.trimEnd();
  });
}

/** Only where a mixture was given: else every sample is taken once. */
function drawLines({ phases }: PrepareReport): string[] {
  if (phases.length === 1 && phases[0]?.files.every(({ weight }) => weight === 1) === true) return [];
  return phases.flatMap(({ files, rows, untilTokens }, phase) => [
    phases.length === 1
      ? 'mixture'
      : `phase ${phase + 1}     ${rows} rows${untilTokens === undefined ? '' : `, until token ${untilTokens}`}`,
    ...files
      .filter(({ drawn, weight }) => drawn > 0 || weight > 0)
      .map(
        ({ file, weight, samples, drawn, tokens, share }) =>
          `  ${file}: weight ${weight}, ${drawn} draws of ${samples} samples, ${tokens} tokens, ` +
          `${(100 * share).toFixed(1)} %`,
      ),
  ]);
}
