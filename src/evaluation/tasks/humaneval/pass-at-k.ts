/** pass@k (Chen et al. 2021): the chance that one of k outputs passes, estimated from n of which c did. */
export function passAtK(n: number, c: number, k: number): number {
  if (n - c < k) return 1;
  let none = 1;
  for (let i = n - c + 1; i <= n; i++) none *= 1 - k / i;
  return 1 - none;
}
