/** The layouts that a run can have on given devices: which fit, and which is fastest by the plan. */
import { InputError } from '../../errors/index.js';
import { type Architecture, checkTensorSplit, divisorsOf } from '../../models/index.js';
import { type PlannedShapes, type PlanOptions, plannedShapes, planShapes, type RunPlan } from './plan-run.js';
import { ALONE, layoutsOf, type RankLayout } from './rank-layout.js';

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

type Options = Omit<PlanOptions, 'layout'>;

/** All layouts of a run on so many devices: those that fit before the others, the fastest first; of equals the simpler one. */
export function planLayouts(
  architecture: Architecture,
  options: Options,
  { devices, deviceMemory }: LayoutSearch,
): PlannedLayout[] {
  const tensors = divisorsOf(devices).filter((tensor) => canShare(architecture, tensor));
  const { numLayers: blocks, numHeads: heads } = architecture.shape;
  const alone = plannedShapes(architecture, { ...options, layout: ALONE });
  // Ranks that share the model make floats of integers.
  const shared = plannedShapes(architecture, { ...options, integers: undefined });
  const planned = layoutsOf(devices, { tensors, blocks, heads })
    .filter((layout) => isPossible(layout, options))
    .map((layout) =>
      planOf(layout, layout.tensor * layout.pipeline === 1 ? alone : shared, options, deviceMemory),
    );
  return planned.sort(
    (a, b) => Number(b.fits) - Number(a.fits) || (b.tokensPerSecond ?? 0) - (a.tokensPerSecond ?? 0),
  );
}

function planOf(
  layout: RankLayout,
  shapes: PlannedShapes,
  options: Options,
  deviceMemory: number,
): PlannedLayout {
  const plan = planShapes(shapes, { ...options, layout });
  const { secondsPerStep, tokensPerStep, peakBytes } = plan;
  return {
    layout,
    plan,
    fits: peakBytes <= deviceMemory,
    tokensPerSecond: secondsPerStep === undefined ? undefined : tokensPerStep / secondsPerStep,
  };
}

/** Distillation compares whole distributions of whole rows. */
function isPossible({ tensor, context }: RankLayout, { loss }: Options): boolean {
  return loss !== 'distillation' || (tensor === 1 && context === 1);
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
