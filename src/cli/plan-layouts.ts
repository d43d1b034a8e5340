/** `xinghe plan --layout auto`: what a run can be on given devices. */
import { formatBytes, formatCount, formatDuration, log } from '../log/index.js';
import type { Architecture } from '../models/index.js';
import { layoutText, type PlannedLayout, ranksOf } from '../training/index.js';
import { EXIT_BAD_INPUT } from './options.js';

/** @param planned those that fit first, the fastest of them first @returns the exit code: 2 if none fits */
export function reportLayouts(
  { family }: Architecture,
  planned: readonly PlannedLayout[],
  deviceMemory: number,
  json: boolean,
): number {
  const [first] = planned;
  const chosen = first?.fits === true ? first : undefined;
  const ranks = first === undefined ? 0 : ranksOf(first.layout);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ devices: ranks, device_memory: deviceMemory, chosen: chosen?.layout ?? null, layouts: planned.map(asJson) })}\n`,
    );
  else {
    const lines = planned.map(({ layout, plan, fits, tokensPerSecond = 0 }) => {
      const { data, tensor } = plan.communication;
      return (
        `  ${fits ? 'fits        ' : 'DOES NOT FIT'}  ${layoutText(layout).padEnd(32)} ${formatBytes(plan.peakBytes).padStart(9)} a rank` +
        `  ${formatCount(tokensPerSecond).padStart(7)} tokens/s, ${formatDuration(plan.secondsPerStep ?? 0)} a step, sends ${formatBytes(data + tensor)}`
      );
    });
    process.stdout.write(
      [
        `${family}, ${formatCount(first?.plan.model.elements ?? 0)} parameters, on ${ranks} devices of ${formatBytes(deviceMemory)}:`,
        ...lines,
        ...(chosen === undefined ? [] : [configText(chosen)]),
        '',
      ].join('\n'),
    );
  }
  if (chosen !== undefined) return 0;
  log('xinghe plan: no layout fits; take more or larger devices, recompute, or a smaller micro-batch');
  return EXIT_BAD_INPUT;
}

function configText({ layout: { data, zero, tensor, sequence } }: PlannedLayout): string {
  return `the fastest that fits: parallel: { data: ${data}, zero: ${zero}, tensor: ${tensor}, sequence: ${sequence} }`;
}

function asJson({ layout, plan, fits, tokensPerSecond }: PlannedLayout): unknown {
  return {
    ...layout,
    peak_bytes: plan.peakBytes,
    fits,
    tokens_per_step: plan.tokensPerStep,
    seconds_per_step: plan.secondsPerStep,
    tokens_per_second: tokensPerSecond,
    communication: plan.communication,
  };
}
