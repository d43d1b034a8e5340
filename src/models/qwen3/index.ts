import { configValue, defineFamily } from '../family.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { layerWindows, narrowestWindow } from '../llama-parts/layer-windows.js';
import { layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import {
  ATTENTION_INPUT_BIASES,
  ATTENTION_OUTPUT_BIAS,
  HEAD_NORMS,
  llamaLayoutNames,
} from '../llama-parts/tensor-names.js';
import { endTokenIds } from '../transformers-keys.js';
import { qwen3ConfigSchema } from './config.js';
import { Qwen3Model } from './model.js';

export const qwen3 = defineFamily({
  name: 'qwen3',
  recognises: (config) => configValue(config, 'model_type') === 'qwen3',
  schema: qwen3ConfigSchema,
  configFile: 'config.json',
  names: llamaLayoutNames(ATTENTION_INPUT_BIASES, ATTENTION_OUTPUT_BIAS, HEAD_NORMS),
  sharding: llamaLayoutSharding,
  rewardMarks: { className: 'Qwen3ForSequenceClassification' },
  describe: (config) => ({
    shape: layoutShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf:
      config.attention_bias === true
        ? { unsupported: "llama.cpp's qwen3 has no biases in its attention" }
        : llamaLayoutGguf(config, {
            architecture: 'qwen3',
            window: narrowestWindow(layerWindows(config)),
          }),
    createModel: () => new Qwen3Model(config),
  }),
});
