/** Numbers for people. */

/** 12,345. */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** Three digits: 128, 12.8, 1.28. */
export function threeDigits(value: number): string {
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(value >= 1 ? 3 : 2);
}

/** 0.7, 0.05: no zeros at the end. */
export function plain(value: number): string {
  return String(Number(value.toFixed(4)));
}
