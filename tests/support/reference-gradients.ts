/** Gradients of a model against those that a reference program has stored. */
import { expect } from 'vitest';
import { publishedName } from '../../src/checkpoint/index.js';
import type { LoadedModel } from '../../src/models/index.js';
import type { GradientStore } from '../../src/training/index.js';
import { maxAbsDifference, safetensorsOf } from './golden.js';

/** @param file gradients by published name @param bound of each tensor, as a part of its greatest gradient or of 1 */
export function expectReferenceGradients(
  { model, architecture }: LoadedModel,
  gradients: GradientStore,
  file: string,
  bound: number,
): void {
  const reference = safetensorsOf(file);
  for (const [path] of model.namedParameters()) {
    const gradient = gradients.get(path);
    if (gradient === undefined) throw new Error(`${path} has no gradient`);
    const theirGradient = reference(publishedName(architecture.names, path));
    const size = Math.max(1, theirGradient.abs().max().item());
    expect(maxAbsDifference(gradient, theirGradient) / size, path).toBeLessThan(bound);
  }
}
