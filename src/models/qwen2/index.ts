import { configValue, defineFamily } from '../family.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { layerWindows, narrowestWindow } from '../llama-parts/layer-windows.js';
import { layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import { ATTENTION_INPUT_BIASES, llamaLayoutNames } from '../llama-parts/tensor-names.js';
import { endTokenIds } from '../transformers-keys.js';
import { qwen2ConfigSchema } from './config.js';
import { Qwen2Model } from './model.js';

export const qwen2 = defineFamily({
  name: 'qwen2',
  recognises: (config) => configValue(config, 'model_type') === 'qwen2',
  schema: qwen2ConfigSchema,
  configFile: 'config.json',
  names: llamaLayoutNames(ATTENTION_INPUT_BIASES),
  sharding: llamaLayoutSharding,
  rewardMarks: { className: 'Qwen2ForSequenceClassification' },
  describe: (config) => ({
    shape: layoutShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf: llamaLayoutGguf(config, {
      architecture: 'qwen2',
      window: narrowestWindow(layerWindows(config)),
    }),
    createModel: () => new Qwen2Model(config),
  }),
});
