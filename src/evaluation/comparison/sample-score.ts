/** What one recorded sample contributes to a metric. */
import type { Verdict } from '../report/page/report-content.js';
import { passAtK } from '../tasks/humaneval/pass-at-k.js';
import type { RecordedSample } from './recorded-run.js';

/** 0 to 1, or points; for bits_per_byte bits. What is missing counts as wrong. */
export function scoreOf(sample: RecordedSample, metric: string): number {
  const { scores = {}, points, correct = null } = sample;
  if (metric === 'points') return points ?? 0;
  const own = scores[metric];
  if (own !== undefined) return own;
  if (!Array.isArray(correct)) return Number(correct === true);
  const k = Number(/^pass@(\d+)$/.exec(metric)?.[1] ?? 1);
  return passAtK(correct.length, correct.filter(Boolean).length, k);
}

/** What a reader wants to know first. Several outputs, or points, may be right in part. */
export function verdictOf({ missing, target, correct, points, max_points: most }: RecordedSample): Verdict {
  if (missing !== undefined) return 'missing';
  if (target === null) return 'unlabelled';
  if (most !== undefined) return ofShare((points ?? 0) / most);
  if (Array.isArray(correct)) return ofShare(correct.filter(Boolean).length / Math.max(correct.length, 1));
  return correct === true ? 'right' : 'wrong';
}

function ofShare(share: number): Verdict {
  return share >= 1 ? 'right' : share > 0 ? 'partly' : 'wrong';
}
