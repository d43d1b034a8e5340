import { configValue, defineFamily } from '../family.js';
import { sparkChat } from './chat-format.js';
import { sparkConfigSchema, sparkSection } from './config.js';
import { SparkModel } from './model.js';
import { sparkNames } from './state-dict.js';

export const spark = defineFamily({
  name: 'spark',
  recognises: (config) => configValue(sparkSection(config), 'type') === 'IFlytekSparkConfig',
  schema: sparkConfigSchema,
  select: sparkSection,
  configFile: 'model_config.yaml',
  names: sparkNames,
  describe: (config) => ({
    initRule: { kind: 'xavier-normal' },
    vocabSize: config.vocab_size,
    bosTokenId: config.bos_token_id,
    eosTokenId: config.eos_token_id,
    padTokenId: config.pad_token_id,
    chat: sparkChat,
    tokenizerOptions: { newlineToken: '<ret>' },
    createModel: () => new SparkModel(config),
  }),
});
