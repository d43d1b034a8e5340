/** Layers of integers become dense ones: for what trains all weights, or saves them. */
import { DenseLinear, Embedding, type Module, namedLinears } from '../nn/index.js';
import { type FloatDType, noGrad, scope } from '../tensor/index.js';
import { IntegerEmbedding } from './integer-embedding.js';
import { IntegerLinear } from './integer-linear.js';

/** @param dtype of their weights then */
export function dequantizeLayers(model: Module, dtype: FloatDType): void {
  for (const [path, layer] of [...namedLinears(model)]) {
    if (!(layer instanceof IntegerLinear)) continue;
    const { inFeatures, outFeatures, bias } = layer;
    const dense = new DenseLinear(inFeatures, outFeatures, { bias: bias !== undefined });
    noGrad(() =>
      scope(() => {
        dense.assign('weight', layer.dequantizedWeight().to(dtype));
        if (bias !== undefined) dense.assign('bias', bias.detach());
      }),
    );
    model.replaceModule(path, dense);
    layer.dispose();
  }
  for (const [path, table] of [...model.namedModules()]) {
    if (!(table instanceof IntegerEmbedding)) continue;
    const dense = new Embedding(table.vocabSize, table.hiddenSize);
    noGrad(() => scope(() => dense.assign('weight', table.dequantizedWeight().to(dtype))));
    model.replaceModule(path, dense);
    table.dispose();
  }
}
