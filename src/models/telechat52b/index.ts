import { configValue, defineFamily } from '../family.js';
import { endTokenIds } from '../transformers-keys.js';
import { telechat52bChat } from './chat-format.js';
import { telechat52bConfigSchema, telechat52bShape } from './config.js';
import { telechat52bGguf } from './gguf.js';
import { telechat52bLlama } from './llama.js';
import { Telechat52bModel } from './model.js';
import { telechat52bSharding } from './sharding.js';
import { telechat52bNames } from './state-dict.js';

export const telechat52b = defineFamily({
  name: 'telechat52b',
  // The smaller TeleChats have the same model_type; their width is hidden_size.
  recognises: (config) =>
    configValue(config, 'model_type') === 'telechat' && configValue(config, 'n_embd') !== undefined,
  schema: telechat52bConfigSchema,
  configFile: 'config.json',
  names: telechat52bNames,
  sharding: telechat52bSharding,
  rewardMarks: { className: 'TelechatForSequenceClassification' },
  describe: (config) => ({
    shape: telechat52bShape(config),
    initRule: { kind: 'normal', std: config.initializer_range },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: config.pad_token_id ?? undefined,
    chat: telechat52bChat,
    gguf: telechat52bGguf(config),
    llama: telechat52bLlama(config),
    createModel: () => new Telechat52bModel(config),
  }),
});
