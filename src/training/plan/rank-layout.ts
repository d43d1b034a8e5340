/** How ranks share a run, for a plan: as the `parallel` section of its configuration. */

export interface RankLayout {
  readonly data: number;
  readonly zero: 0 | 1 | 2 | 3;
  readonly tensor: number;
  readonly sequence: boolean;
  // `pipeline` and `context` join this list with the runs that have them.
}

export const ALONE: RankLayout = { data: 1, zero: 0, tensor: 1, sequence: false };

export function ranksOf({ data, tensor }: RankLayout): number {
  return data * tensor;
}

/** As a configuration says it: "data 4, tensor 2, sequence, zero 3". */
export function layoutText({ data, zero, tensor, sequence }: RankLayout): string {
  return [
    `data ${data}`,
    `tensor ${tensor}`,
    ...(sequence ? ['sequence'] : []),
    ...(data > 1 ? [`zero ${zero}`] : []),
  ].join(', ');
}

/** All that so many ranks can be, without those that differ in nothing. */
export function layoutsOf(ranks: number, tensors: readonly number[]): RankLayout[] {
  return tensors
    .filter((tensor) => ranks % tensor === 0)
    .flatMap((tensor) => {
      const data = ranks / tensor;
      const zeros = data === 1 ? ([0] as const) : ([0, 1, 2, 3] as const);
      const sequences = tensor === 1 ? [false] : [false, true];
      return zeros.flatMap((zero) => sequences.map((sequence) => ({ data, zero, tensor, sequence })));
    });
}
