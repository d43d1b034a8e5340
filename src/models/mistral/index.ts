import { configValue, defineFamily } from '../family.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import { llamaLayoutNames } from '../llama-parts/tensor-names.js';
import { endTokenIds } from '../transformers-keys.js';
import { mistralConfigSchema } from './config.js';
import { MistralModel } from './model.js';

export const mistral = defineFamily({
  name: 'mistral',
  recognises: (config) => configValue(config, 'model_type') === 'mistral',
  schema: mistralConfigSchema,
  configFile: 'config.json',
  names: llamaLayoutNames(),
  sharding: llamaLayoutSharding,
  rewardMarks: { className: 'MistralForSequenceClassification' },
  describe: (config) => ({
    shape: layoutShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf: llamaLayoutGguf(config, { architecture: 'llama', window: config.sliding_window ?? undefined }),
    createModel: () => new MistralModel(config),
  }),
});
