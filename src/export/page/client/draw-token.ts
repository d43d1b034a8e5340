/** The next token by its logits. @param temperature 0: the likeliest */
export function drawToken(logits: Float64Array, temperature: number): number {
  let best = 0;
  for (const [id, logit] of logits.entries()) if (logit > (logits[best] ?? 0)) best = id;
  if (temperature <= 0) return best;
  const largest = logits[best] ?? 0;
  const weights = logits.map((logit) => Math.exp((logit - largest) / temperature));
  let rest = Math.random() * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [id, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return id;
  }
  return best;
}
