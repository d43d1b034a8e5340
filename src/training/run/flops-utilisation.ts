/** What a run may compute with, and what a token costs. */
export interface FlopsBudget {
  /** Floating-point operations of one token, forward and backward. */
  readonly perToken: number;
  /** The device's measured peak. */
  readonly peakPerSecond: number;
}

/**
 * The share of the peak that a step reached (MFU; Chowdhery et al. 2022, arXiv 2204.02311, appendix B).
 * @returns undefined where it is not known: above 1 the peak was probed while something else kept the device busy
 */
export function flopsUtilisation(
  budget: FlopsBudget | undefined,
  tokensPerSecond: number,
): number | undefined {
  if (budget === undefined) return undefined;
  const share = (budget.perToken * tokensPerSecond) / budget.peakPerSecond;
  return share <= 1 ? share : undefined;
}
