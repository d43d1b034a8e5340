import { configValue, defineFamily } from '../family.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import { llamaLayoutNames } from '../llama-parts/tensor-names.js';
import { endTokenIds } from '../transformers-keys.js';
import { xverseChat } from './chat-format.js';
import { xverseConfigSchema, xverseShape } from './config.js';
import { xverseGguf } from './gguf.js';
import { xverseLlama } from './llama.js';
import { XverseModel } from './model.js';
import { withPublishedRotation } from './rotation.js';

export const xverse = defineFamily({
  name: 'xverse',
  recognises: (config) => configValue(config, 'model_type') === 'xverse',
  schema: xverseConfigSchema,
  complete: withPublishedRotation,
  configFile: 'config.json',
  names: llamaLayoutNames(),
  sharding: llamaLayoutSharding,
  rewardMarks: { className: 'XverseForSequenceClassification' },
  describe: (config) => ({
    shape: xverseShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: config.pad_token_id ?? undefined,
    chat: xverseChat(endTokenIds(config.eos_token_id)),
    gguf: xverseGguf(config),
    llama: xverseLlama(config),
    createModel: () => new XverseModel(config),
  }),
});
