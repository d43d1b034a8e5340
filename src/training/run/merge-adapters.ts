/** The model of a run with its adapters worked in: floats of one dtype, as they are saved. */
import { mergeLora } from '../../lora/index.js';
import type { LoadedModel } from '../../models/index.js';
import { namedLinears } from '../../nn/index.js';
import { dequantizeLayers } from '../../quantization/index.js';
import { isFloatDType, scope } from '../../tensor/index.js';

/** Weights that were kept in integers become floats too: what an adapter changed is none any more. */
export function mergeAdapters({ model }: LoadedModel): void {
  const { computeDType } = model;
  mergeLora(model);
  dequantizeLayers(model, computeDType);
  for (const [path, { weight }] of namedLinears(model))
    if (isFloatDType(weight.dtype) && weight.dtype !== computeDType)
      scope(() => model.assign(`${path}.weight`, weight.detach().to(computeDType)));
}
