import { configValue, defineFamily } from '../family.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import {
  ATTENTION_INPUT_BIASES,
  ATTENTION_OUTPUT_BIAS,
  llamaLayoutNames,
  MLP_BIASES,
} from '../llama-parts/tensor-names.js';
import { endTokenIds } from '../transformers-keys.js';
import { llamaConfigSchema } from './config.js';
import { LlamaModel } from './model.js';

export const llama = defineFamily({
  name: 'llama',
  recognises: (config) => configValue(config, 'model_type') === 'llama',
  schema: llamaConfigSchema,
  configFile: 'config.json',
  names: llamaLayoutNames(ATTENTION_INPUT_BIASES, ATTENTION_OUTPUT_BIAS, MLP_BIASES),
  sharding: llamaLayoutSharding,
  rewardMarks: { className: 'LlamaForSequenceClassification' },
  describe: (config) => ({
    shape: layoutShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf: llamaLayoutGguf(config, { architecture: 'llama' }),
    createModel: () => new LlamaModel(config),
  }),
});
