import { configValue, defineFamily } from '../family.js';
import { LlamaModel } from '../llama/model.js';
import { llamaLayoutGguf } from '../llama-parts/gguf-layout.js';
import { layoutShape, paddingIdOf } from '../llama-parts/layout-keys.js';
import { llamaLayoutSharding } from '../llama-parts/sharding.js';
import { endTokenIds } from '../transformers-keys.js';
import { telechat3ConfigSchema } from './config.js';
import { telechat3Llama } from './llama.js';
import { telechat3MindSporeScheme, telechat3Names } from './state-dict.js';

export const telechat3 = defineFamily({
  name: 'telechat3',
  recognises: (config) => configValue(config, 'model_type') === 'telechat3',
  schema: telechat3ConfigSchema,
  configFile: 'config.json',
  names: telechat3Names,
  sharding: llamaLayoutSharding,
  schemes: { mindspore: telechat3MindSporeScheme },
  rewardMarks: { className: 'Telechat3ForSequenceClassification' },
  describe: (config) => ({
    shape: layoutShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: paddingIdOf(config),
    gguf: llamaLayoutGguf(config, { architecture: 'llama' }),
    llama: telechat3Llama(config),
    createModel: () => new LlamaModel(config),
  }),
});
