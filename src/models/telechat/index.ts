import { configValue, defineFamily } from '../family.js';
import { endTokenIds } from '../transformers-keys.js';
import { telechatChat } from './chat-format.js';
import { telechatConfigSchema, telechatShape } from './config.js';
import { telechatGguf } from './gguf.js';
import { telechatLlama } from './llama.js';
import { TelechatModel } from './model.js';
import { telechatSharding } from './sharding.js';
import { telechatMindSporeScheme, telechatNames } from './state-dict.js';

export const telechat = defineFamily({
  name: 'telechat',
  // The 52B has the same model_type; its width is n_embd.
  recognises: (config) =>
    configValue(config, 'model_type') === 'telechat' && configValue(config, 'n_embd') === undefined,
  schema: telechatConfigSchema,
  configFile: 'config.json',
  names: telechatNames,
  sharding: telechatSharding,
  schemes: { mindspore: telechatMindSporeScheme },
  rewardMarks: { className: 'TelechatForSequenceClassification' },
  describe: (config) => ({
    shape: telechatShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: config.pad_token_id ?? undefined,
    chat: telechatChat,
    gguf: telechatGguf(config),
    llama: telechatLlama(config),
    createModel: () => new TelechatModel(config),
  }),
});
