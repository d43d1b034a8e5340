/** The layouts that a run can have on given devices: which fit, and which is fastest by the plan. */
import { InputError } from '../../errors/index.js';
import { type Architecture, checkTensorSplit, divisorsOf } from '../../models/index.js';
import { type PlanOptions, planRun, type RunPlan } from './plan-run.js';
import { layoutsOf, type RankLayout } from './rank-layout.js';

export interface LayoutSearch {
  readonly devices: number;
  /** Of each, bytes. */
  readonly deviceMemory: number;
}

export interface PlannedLayout {
  readonly layout: RankLayout;
  readonly plan: RunPlan;
  readonly fits: boolean;
  /** undefined: no speed is known. */
  readonly tokensPerSecond: number | undefined;
}

/** All layouts of a run on so many devices: those that fit before the others, the fastest first; of equals the simpler one. */
export function planLayouts(
  architecture: Architecture,
  options: Omit<PlanOptions, 'layout'>,
  { devices, deviceMemory }: LayoutSearch,
): PlannedLayout[] {
  const tensors = divisorsOf(devices).filter((tensor) => canShare(architecture, tensor));
  const planned = layoutsOf(devices, tensors).map((layout): PlannedLayout => {
    const plan = planRun(architecture, { ...options, layout });
    const { secondsPerStep, tokensPerStep, peakBytes } = plan;
    return {
      layout,
      plan,
      fits: peakBytes <= deviceMemory,
      tokensPerSecond: secondsPerStep === undefined ? undefined : tokensPerStep / secondsPerStep,
    };
  });
  return planned.sort(
    (a, b) => Number(b.fits) - Number(a.fits) || (b.tokensPerSecond ?? 0) - (a.tokensPerSecond ?? 0),
  );
}

function canShare(architecture: Architecture, tensor: number): boolean {
  if (tensor === 1) return true;
  try {
    checkTensorSplit(architecture, tensor, `parallel.tensor is ${tensor}`);
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
