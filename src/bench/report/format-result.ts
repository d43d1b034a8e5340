/** A result as Markdown: the quietness in the heading, the table, every run, the machine, how to do it again. */
import type { MachinePeaks } from '../machine/machine-peaks.js';
import { numberOf } from '../rounds/side.js';
import type { Summary } from '../rounds/summarize.js';
import type { BenchmarkResult, LawResult, MachineDescription, MetricResult } from '../run-benchmark.js';
import { formatNumber, formatPercent, formatTable } from './format-number.js';

export function formatResult(result: BenchmarkResult): string {
  const { title, sides, date, quietText } = result;
  const against = sides.peer === undefined ? '' : `, against ${sides.peer}`;
  return [
    `# ${title}${against}, ${date} (${headingQuiet(result)})`,
    machineText(result.machine, quietText),
    `\`\`\`sh\n${result.command}\n\`\`\``,
    settingsText(result),
    formatTable(result.law === undefined ? metricRows(result) : lawRows(result.law)),
    ...(result.law === undefined ? [] : [lawText(result.law, result.quiet)]),
    explanation(result),
    ...agreementLines(result),
    result.notes.map((note) => `- ${note}`).join('\n'),
    'Every run, in the order in which they were made:',
    formatTable(runRows(result)),
    peaksText(result.machine),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

/** "quiet: no, load 3.1" */
export function headingQuiet({ quietText }: { readonly quietText: string }): string {
  return quietText.split(',').slice(0, 2).join(',');
}

export function machineText(
  { processor, cores, node, xinghe, probe }: MachineDescription,
  quiet: string,
): string {
  const emulated = probe.emulatesBfloat16 ? ' (no bfloat16 instructions)' : '';
  return (
    `${processor}, ${cores} cores, ${probe.capability}${emulated}; ${probe.threads} ${probe.threads === 1 ? 'thread' : 'threads'}; xinghe ${xinghe}, libtorch ` +
    `${probe.libtorch}, Node ${node}. Before, between and after the runs: ${quiet}.`
  );
}

function settingsText({ settings, sides }: BenchmarkResult): string {
  const words = Object.entries(settings).map(([name, value]) => `${name} ${value}`);
  const order =
    sides.peer === undefined
      ? 'Each round is a process of its own.'
      : `In each round ${sides.ours}, then ${sides.peer}, each a process of its own.`;
  return `${words.join(', ')}. ${order}`;
}

function metricRows({ metrics, sides }: BenchmarkResult): string[][] {
  const hasPeer = sides.peer !== undefined;
  const hasLimit = metrics.some(({ limit }) => limit !== undefined);
  const head = [
    'what',
    `${sides.ours}: best (median, spread)`,
    ...(hasPeer
      ? [`${sides.peer}: best (median, spread)`, `${sides.ours} / ${sides.peer}: best (median; rounds)`]
      : []),
    ...(hasLimit ? ['share of the limit'] : []),
  ];
  return [
    head,
    ...metrics.map((metric) => [
      `${metric.title}, ${metric.unit}`,
      summaryText(metric.values.ours),
      ...(hasPeer
        ? [metric.values.peer === undefined ? '' : summaryText(metric.values.peer), ratioText(metric)]
        : []),
      ...(hasLimit ? [limitText(metric)] : []),
    ]),
  ];
}

function lawRows({ rows, unit }: LawResult): string[][] {
  const hasMemory = rows.some(({ memory }) => memory !== undefined);
  return [
    [
      unit,
      'time, ms: best (median, spread)',
      'time / size, µs',
      'exponent from the size before',
      ...(hasMemory ? ['peak memory up to here, MiB'] : []),
    ],
    ...rows.map(({ size, time, memory, step }) => [
      String(size),
      summaryText(time),
      formatNumber((1000 * time.best) / size),
      step === undefined ? '' : step.toFixed(2),
      ...(hasMemory ? [memory === undefined ? '' : formatNumber(memory.best)] : []),
    ]),
  ];
}

function lawText({ expected, measured, isAsExpected }: LawResult, isQuiet: boolean): string {
  return (
    `Measured: time grows as size^${measured.toFixed(2)}. Expected: ${expected}. ` +
    (isAsExpected ? 'This is as expected.' : 'This is NOT as expected.') +
    (isQuiet || isAsExpected ? '' : ' The machine was not quiet: measure again before you believe it.')
  );
}

function summaryText({ best, median, spread, values }: Summary): string {
  return values.length === 1
    ? formatNumber(best)
    : `${formatNumber(best)} (${formatNumber(median)}, ${formatPercent(spread)})`;
}

function ratioText({ ratio, values }: MetricResult): string {
  if (ratio === undefined) return '';
  if (values.ours.values.length === 1) return ratio.best.toFixed(2);
  const [best, median, least, greatest] = [ratio.best, ratio.median, ratio.least, ratio.greatest].map(
    (each) => each.toFixed(2),
  );
  return `${best} (${median}; ${least} to ${greatest})`;
}

const LIMIT_NAMES: Readonly<Record<keyof MachinePeaks, [name: string, unit: string]>> = {
  readBandwidth: ['read bandwidth', 'GB/s'],
  copyBandwidth: ['copy bandwidth', 'GB/s'],
  float32Products: ['float32 products', 'GFLOP/s'],
  bfloat16Products: ['bfloat16 products', 'GFLOP/s'],
  float32Registers: ['float32 multiply-adds in registers', 'GFLOP/s'],
  bfloat16Registers: ['bfloat16 multiply-adds in registers', 'GFLOP/s'],
};

function limitText({ limit }: MetricResult): string {
  if (limit === undefined) return '';
  const [name, unit] = LIMIT_NAMES[limit.of];
  return `${formatPercent(limit.share)} of ${formatNumber(limit.peak)} ${unit} (${name})`;
}

/** Which way is better, and how many rounds there were. */
function explanation({ metrics, runs, roundsAsked, sides, law }: BenchmarkResult): string {
  const made = Math.max(0, ...runs.map(({ round }) => round));
  const less = metrics.filter(({ better }) => better === 'lower').map(({ title }) => title);
  const more = metrics.filter(({ better }) => better === 'higher').map(({ title }) => title);
  const parts = [
    made === roundsAsked
      ? `${made} ${made === 1 ? 'round' : 'rounds'}.`
      : `${made} of ${roundsAsked} rounds: the time that --seconds allows was over.`,
    more.length === 0 || law !== undefined ? '' : `More is better: ${more.join('; ')}.`,
    less.length === 0 || law !== undefined ? '' : `Less is better: ${less.join('; ')}.`,
    'Spread: greatest less least, as a share of the median.',
    sides.peer === undefined
      ? ''
      : 'Ratios are ours over theirs, of the best, of the medians, and of the single rounds.',
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function agreementLines({ agreements, sides }: BenchmarkResult): string[] {
  return agreements.map(({ title, ours, peer }) =>
    ours === peer
      ? `Both sides have the same ${title}: ${ours}.`
      : `The two sides do not do the same: ${title} ${ours} of ${sides.ours}, ${peer} of ${sides.peer}.`,
  );
}

function runRows({ runs, metrics, sides }: BenchmarkResult): string[][] {
  return [
    [
      'round',
      'side',
      'load before',
      'others busy, cores',
      ...metrics.map(({ title, unit }) => `${title}, ${unit}`),
    ],
    ...runs.map((run) => [
      String(run.round),
      (run.side === 0 ? sides.ours : sides.peer) ?? '',
      run.before.load.toFixed(1),
      run.before.busyCores.toFixed(2),
      ...metrics.map(({ key }) => formatNumber(numberOf(run, key))),
    ]),
  ];
}

export function peaksText({ before, after }: MachineDescription): string {
  const rows = Object.entries(LIMIT_NAMES).map(([key, [name, unit]]) => {
    const value = (peaks: MachinePeaks): string =>
      formatNumber(Number(Object.entries(peaks).find(([other]) => other === key)?.[1] ?? Number.NaN));
    return [`${name}, ${unit}`, value(before), value(after)];
  });
  return (
    'What the machine reached at most, before and after all runs (the better is the limit): a sum over 512 MB; a copy of 256 MB, bytes read and ' +
    'written; products of [1024, 1024] matrices; multiply-adds that touch nothing but registers (-: no such instruction, or not measured).\n\n' +
    formatTable([['peak', 'before', 'after'], ...rows])
  );
}
