/** loss.svg of a run: its losses, and those on held-out rows. */
import { basename, join } from 'node:path';
import { messageOf } from '../../errors/index.js';
import { writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { renderLossSvg } from '../plots/loss-svg.js';

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** Failing to write it is a warning: the run is worth more than its picture. */
export function writeLossPicture(
  output: string,
  label: string,
  losses: readonly LossPoint[],
  heldOut: readonly LossPoint[],
): void {
  if (losses.length === 0) return;
  const series = [{ name: label, points: losses }];
  if (heldOut.length > 0)
    series.push({ name: 'held out', points: heldOut.map(({ step, loss }) => ({ step, loss })) });
  try {
    writeFileAtomic(join(output, 'loss.svg'), renderLossSvg(series, { title: basename(output) }));
  } catch (error) {
    log(`warning: loss.svg could not be written: ${messageOf(error)}`);
  }
}
