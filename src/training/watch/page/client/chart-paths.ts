/** Lines and areas as SVG paths. */

export function linePath(
  x: readonly number[],
  y: readonly (number | null)[],
  toX: (value: number) => number,
  toY: (value: number) => number,
): string {
  let path = '';
  let isDown = false;
  for (const [index, value] of y.entries()) {
    if (value === null || !Number.isFinite(value)) {
      isDown = false;
      continue;
    }
    path += `${isDown ? 'L' : 'M'}${toX(x[index] ?? 0).toFixed(1)} ${toY(value).toFixed(1)}`;
    // A value on its own between two gaps is a dot.
    if (!isDown && y[index + 1] == null) path += 'h.1';
    isDown = true;
  }
  return path;
}

export function areaPath(
  x: readonly number[],
  top: readonly (number | null)[],
  below: readonly (number | null)[],
  toX: (value: number) => number,
  toY: (value: number) => number,
): string {
  const points = x.map((value, index) => `${toX(value).toFixed(1)} ${toY(top[index] ?? 0).toFixed(1)}`);
  const back = x
    .map((value, index) => `${toX(value).toFixed(1)} ${toY(below[index] ?? 0).toFixed(1)}`)
    .reverse();
  return `M${points.join('L')}L${back.join('L')}Z`;
}

/** Each series upon the ones before it. */
export function stackUp(all: readonly (readonly (number | null)[])[]): number[][] {
  let sum: number[] = [];
  return all.map((values) => {
    sum = values.map((value, index) => (sum[index] ?? 0) + (value ?? 0));
    return sum;
  });
}

/** A small triangle that points out of the chart. */
export function edgeMark(x: number, y: number, isAbove: boolean): string {
  const tip = isAbove ? -5 : 5;
  return `M${(x - 4).toFixed(1)} ${(y - tip).toFixed(1)}h8l-4 ${tip}z`;
}
