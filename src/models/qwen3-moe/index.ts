import { configValue, defineFamily } from '../family.js';
import { paddingIdOf } from '../llama-parts/layout-keys.js';
import { endTokenIds } from '../transformers-keys.js';
import { qwen3MoeConfigSchema } from './config.js';
import { qwen3MoeGguf } from './gguf.js';
import { Qwen3MoeModel, qwen3MoeShape } from './model.js';
import { qwen3MoeSharding } from './sharding.js';
import { qwen3MoeNames } from './state-dict.js';

export const qwen3Moe = defineFamily({
  name: 'qwen3-moe',
  recognises: (config) => configValue(config, 'model_type') === 'qwen3_moe',
  schema: qwen3MoeConfigSchema,
  configFile: 'config.json',
  names: qwen3MoeNames,
  sharding: qwen3MoeSharding,
  rewardMarks: { className: 'Qwen3MoeForSequenceClassification' },
  describe: (config) => ({
    shape: qwen3MoeShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf: qwen3MoeGguf(config),
    createModel: () => new Qwen3MoeModel(config),
  }),
});
