/** What a run trains. */
import { publishedParameters } from '../../checkpoint/index.js';
import type { LoraLinear } from '../../lora/index.js';
import type { LoadedModel } from '../../models/index.js';
import type { Tensor } from '../../tensor/index.js';

/** By published name: all parameters, or the adapters' alone. */
export function trainedParameters(
  { model, architecture }: LoadedModel,
  adapters: ReadonlyMap<string, LoraLinear> | undefined,
): Map<string, Tensor> {
  const parameters = publishedParameters(model, architecture.names);
  if (adapters === undefined) return parameters;
  const trained = new Set([...adapters.values()].flatMap((layer) => layer.adapterParameters));
  return new Map([...parameters].filter(([, parameter]) => trained.has(parameter)));
}
