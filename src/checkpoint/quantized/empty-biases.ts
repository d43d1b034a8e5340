/**
 * Biases that a quantiser made up: AutoGPTQ gives every quantised layer one, zeros where the model has none, and writes it.
 */
import { readFloats, type TensorView } from '../../formats/index.js';
import type { ModelTensors } from '../model-tensors.js';

/**
 * Without the biases of quantised layers that are all zero and that the model does not have.
 * @param shapes of the model's parameters, by own path; undefined: nobody knows which biases it has
 */
export function withoutEmptyBiases(
  model: ModelTensors,
  shapes: ReadonlyMap<string, readonly number[]> | undefined,
): ModelTensors {
  if (shapes === undefined) return model;
  const { weights, names, others } = model;
  const layers = [...weights].filter(([, { integers }]) => integers !== undefined);
  const isMadeUp = (view: TensorView | undefined): boolean => view !== undefined && isZero(view);
  const ownPaths = layers
    .map(([path]) => biasOf(path))
    .filter((path) => !shapes.has(path) && isMadeUp(weights.get(path)));
  const published = layers
    .map(([path]) => biasOf(names.get(path) ?? path))
    .filter((name) => isMadeUp(others.get(name)));
  if (ownPaths.length + published.length === 0) return model;
  return {
    ...model,
    weights: without(weights, ownPaths),
    others: without(others, published),
    skipped: [...model.skipped, ...ownPaths.map((path) => names.get(path) ?? path), ...published],
  };
}

const biasOf = (weight: string): string => weight.replace(/weight$/, 'bias');

function without<Value>(map: ReadonlyMap<string, Value>, keys: readonly string[]): Map<string, Value> {
  return new Map([...map].filter(([key]) => !keys.includes(key)));
}

/** Negative zeros too. */
function isZero(view: TensorView): boolean {
  return FLOATS.has(view.dtype) && readFloats(view).every((value) => value === 0);
}

const FLOATS: ReadonlySet<string> = new Set(['float16', 'bfloat16', 'float32']);
