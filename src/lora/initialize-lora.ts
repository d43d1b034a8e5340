/** Values of adapters that are about to be trained. */
import { type FloatDType, type Generator, rand, scope, type Tensor, zeros } from '../tensor/index.js';
import type { LoraLinear } from './lora-linear.js';
import { rowNorms } from './row-norms.js';

/**
 * A uniform in ±1/sqrt(I) (Kaiming with a = sqrt 5, as MindPet and PEFT draw it), B zero, the magnitude the row lengths of
 * the base weight: the model starts unchanged.
 */
export function initializeLora(layer: LoraLinear, generator: Generator, dtype: FloatDType = 'float32'): void {
  scope(() => {
    const bound = 1 / Math.sqrt(layer.inFeatures);
    const device = layer.weight.device;
    const values = rand(layer.loraA.shape, generator, { low: -bound, high: bound });
    layer.assign('loraA', values.to(dtype).toDevice(device));
    layer.assign('loraB', zeros(layer.loraB.shape, { dtype, device }));
    if (layer.loraBias !== undefined)
      layer.assign('loraBias', zeros(layer.loraBias.shape, { dtype, device }));
    if (layer.loraMagnitude !== undefined)
      layer.assign('loraMagnitude', rowNorms(layer.dequantizedWeight()).to(dtype));
  });
}

/**
 * LoRA+ (Hayou et al. 2024, arXiv 2402.12354): what the learning rate of each parameter is multiplied with. B learns `ratio`
 * times as fast as A; so does the magnitude, which PEFT puts into the same group.
 */
export function learningRateFactors(
  adapters: ReadonlyMap<string, LoraLinear>,
  ratio: number,
): Map<Tensor, number> {
  const factors = new Map<Tensor, number>();
  for (const { loraA, loraB, loraMagnitude, loraBias } of adapters.values()) {
    factors.set(loraA, 1);
    factors.set(loraB, ratio);
    if (loraMagnitude !== undefined) factors.set(loraMagnitude, ratio);
    if (loraBias !== undefined) factors.set(loraBias, ratio);
  }
  return factors;
}
