/** `xinghe plan --layout auto`: what a run can be on given devices. */
import { formatBytes, formatCount, formatDuration, log } from '../../log/index.js';
import type { Architecture } from '../../models/index.js';
import { layoutText, type PlannedLayout, ranksOf, sectionOfLayout, sentBytes } from '../../training/index.js';
import { EXIT_BAD_INPUT } from '../options.js';
import type { TriedLayout } from './plan-trial.js';

/** Lines of those that fit, and of those that do not: the rest is counted. */
const SHOWN = { fitting: 20, others: 4 } as const;

export interface LayoutReport {
  /** Bytes of each. */
  readonly deviceMemory: number;
  /** The fastest of them first; undefined: nothing was tried. */
  readonly tried: readonly TriedLayout[] | undefined;
  readonly json: boolean;
}

/** @param planned those that fit first, the fastest of them first @returns the exit code: 2 if none fits */
export function reportLayouts(
  architecture: Architecture,
  planned: readonly PlannedLayout[],
  { deviceMemory, tried, json }: LayoutReport,
): number {
  const [first] = planned;
  const measured = tried?.find(({ tokensPerSecond }) => tokensPerSecond !== undefined)?.planned;
  const chosen = tried === undefined ? (first?.fits === true ? first : undefined) : measured;
  if (json)
    process.stdout.write(
      `${JSON.stringify({
        devices: first === undefined ? 0 : ranksOf(first.layout),
        device_memory: deviceMemory,
        chosen: chosen === undefined ? null : sectionOfLayout(chosen.layout),
        layouts: planned.map((one) => asJson(one, tried)),
      })}\n`,
    );
  else process.stdout.write(describe(architecture, planned, { deviceMemory, tried, chosen }));
  if (chosen !== undefined) return 0;
  if (first?.fits === true) log('xinghe plan: none of the layouts that were tried ran');
  else log(`xinghe plan: no layout fits; ${nearestText(planned)}`);
  return EXIT_BAD_INPUT;
}

function describe(
  { family }: Architecture,
  planned: readonly PlannedLayout[],
  {
    deviceMemory,
    tried,
    chosen,
  }: Pick<LayoutReport, 'deviceMemory' | 'tried'> & { readonly chosen: PlannedLayout | undefined },
): string {
  const [first] = planned;
  const fitting = planned.filter(({ fits }) => fits);
  const others = leanest(planned.filter(({ fits }) => !fits));
  const shown = [...fitting.slice(0, SHOWN.fitting), ...others.slice(0, SHOWN.others)];
  const hidden = planned.length - shown.length;
  const width = Math.max(...shown.map(({ layout }) => layoutText(layout).length));
  return [
    `${family}, ${formatCount(first?.plan.model.elements ?? 0)} parameters, on ${first === undefined ? 0 : ranksOf(first.layout)} devices of ${formatBytes(deviceMemory)}:`,
    ...shown.map((one) => line(one, width)),
    ...(hidden === 0
      ? []
      : [
          `  and ${Math.max(0, fitting.length - SHOWN.fitting)} more that fit, ${Math.max(0, others.length - SHOWN.others)} more that do not (--json has all)`,
        ]),
    ...(tried === undefined ? [] : ['tried here:', ...tried.map((one) => triedLine(one, width))]),
    ...(chosen === undefined ? [] : [configText(chosen, tried !== undefined)]),
    '',
  ].join('\n');
}

function line({ layout, plan, fits, tokensPerSecond = 0 }: PlannedLayout, width: number): string {
  return (
    `  ${fits ? 'fits        ' : 'DOES NOT FIT'}  ${layoutText(layout).padEnd(width)} ${formatBytes(plan.peakBytes).padStart(9)} a rank` +
    `  ${formatCount(tokensPerSecond).padStart(7)} tokens/s, ${formatDuration(plan.secondsPerStep ?? 0)} a step, sends ${formatBytes(sentBytes(plan.communication))}`
  );
}

function triedLine({ planned, tokensPerSecond, peakBytes, failure }: TriedLayout, width: number): string {
  const { layout, plan } = planned;
  const name = layoutText(layout).padEnd(width);
  if (tokensPerSecond === undefined) return `  FAILED        ${name} ${failure ?? ''}`;
  const expected = planned.tokensPerSecond ?? 0;
  const memory =
    peakBytes === undefined
      ? ''
      : `, ${formatBytes(peakBytes)} at its peak (planned ${formatBytes(plan.peakBytes)})`;
  return `  measured      ${name} ${formatCount(tokensPerSecond).padStart(7)} tokens/s (planned ${formatCount(expected)})${memory}`;
}

/** Those that need least first. */
function leanest(planned: readonly PlannedLayout[]): readonly PlannedLayout[] {
  return [...planned].sort((a, b) => a.plan.peakBytes - b.plan.peakBytes);
}

function nearestText(planned: readonly PlannedLayout[]): string {
  const [least] = leanest(planned);
  const advice = 'take more or larger devices, recompute, or a smaller micro-batch';
  if (least === undefined) return advice;
  return `${layoutText(least.layout)} needs least, ${formatBytes(least.plan.peakBytes)} a rank; ${advice}`;
}

function configText({ layout }: PlannedLayout, isMeasured: boolean): string {
  const { data, zero, tensor, sequence, pipeline, schedule, chunks, context } = sectionOfLayout(layout);
  const keys = [
    `data: ${data}`,
    `zero: ${zero}`,
    `tensor: ${tensor}`,
    `sequence: ${sequence}`,
    ...(pipeline > 1 ? [`pipeline: ${pipeline}`, `schedule: ${schedule}`] : []),
    ...(chunks === undefined ? [] : [`chunks: ${chunks}`]),
    ...(context > 1 ? [`context: ${context}`] : []),
  ];
  return `the fastest that ${isMeasured ? 'was measured' : 'fits'}: parallel: { ${keys.join(', ')} }`;
}

function asJson(planned: PlannedLayout, tried: readonly TriedLayout[] | undefined): unknown {
  const { layout, plan, fits, tokensPerSecond } = planned;
  const trial = tried?.find((one) => one.planned === planned);
  return {
    ...sectionOfLayout(layout),
    peak_bytes: plan.peakBytes,
    stages: plan.stages.map(({ parts, peakBytes }) => ({ parts, peak_bytes: peakBytes })),
    fits,
    tokens_per_step: plan.tokensPerStep,
    seconds_per_step: plan.secondsPerStep,
    tokens_per_second: tokensPerSecond,
    communication: plan.communication,
    ...(trial === undefined
      ? {}
      : {
          measured: {
            tokens_per_second: trial.tokensPerSecond,
            peak_bytes: trial.peakBytes,
            failure: trial.failure,
          },
        }),
  };
}
