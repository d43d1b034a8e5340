/** Initial values of new adapters. */
import { type FloatDType, type RandomGenerator, rand, scope, zeros } from '../tensor/index.js';
import type { LoraLinear } from './lora-linear.js';
import { rowNorms } from './row-norms.js';

/**
 * A uniform in ±1/sqrt(I) (Kaiming with a = sqrt 5, as MindPet and PEFT draw it), B zero, the magnitude the row lengths of
 * the base weight: the model starts unchanged.
 */
export function initializeLora(
  layer: LoraLinear,
  generator: RandomGenerator,
  dtype: FloatDType = 'float32',
): void {
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
 * LoRA+ (Hayou et al. 2024, arXiv 2402.12354): what the learning rate of each parameter is multiplied with, by own path. B learns `ratio`
 * times as fast as A; so does the magnitude, which PEFT puts into the same group.
 */
export function learningRateFactors(
  adapters: ReadonlyMap<string, LoraLinear>,
  ratio: number,
): Map<string, number> {
  const factors = new Map<string, number>();
  for (const [path, { loraMagnitude, loraBias }] of adapters) {
    factors.set(`${path}.loraA`, 1);
    factors.set(`${path}.loraB`, ratio);
    if (loraMagnitude !== undefined) factors.set(`${path}.loraMagnitude`, ratio);
    if (loraBias !== undefined) factors.set(`${path}.loraBias`, ratio);
  }
  return factors;
}
