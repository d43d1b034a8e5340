/** Several runs over one axis of steps. */

type Values = readonly (number | null)[];

export interface AlignedRuns {
  readonly x: readonly number[];
  /** As many as runs, each as long as x. */
  readonly values: readonly (number | null)[][];
}

/** Between two of its steps a run is drawn along a straight line; before its first and behind its last it is not drawn. */
export function alignRuns(
  runs: readonly { readonly steps: readonly number[]; readonly values: Values }[],
): AlignedRuns {
  const [only] = runs;
  if (only !== undefined && runs.length === 1) return { x: only.steps, values: [[...only.values]] };
  const x = [...new Set(runs.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
  return { x, values: runs.map(({ steps, values }) => resample(x, steps, values)) };
}

function resample(x: readonly number[], steps: readonly number[], values: Values): (number | null)[] {
  let at = 0;
  return x.map((step) => {
    while (at < steps.length && (steps[at] ?? 0) < step) at += 1;
    const next = steps[at];
    if (next === step) return values[at] ?? null;
    const before = steps[at - 1];
    if (next === undefined || before === undefined) return null;
    const [low, high] = [values[at - 1], values[at]];
    if (low == null || high == null) return null;
    return low + ((high - low) * (step - before)) / (next - before);
  });
}
