import { configValue, defineFamily } from '../family.js';
import { endTokenIds } from '../transformers-keys.js';
import { sparkChat } from './chat-format.js';
import { sparkConfigSchema, sparkSection, sparkShape } from './config.js';
import { SparkModel } from './model.js';
import { sparkSharding } from './sharding.js';
import { sparkMegatronScheme, sparkMindSporeScheme, sparkNames } from './state-dict.js';

export const spark = defineFamily({
  name: 'spark',
  recognises: (config) => configValue(sparkSection(config), 'type') === 'IFlytekSparkConfig',
  schema: sparkConfigSchema,
  select: sparkSection,
  configFile: 'model_config.yaml',
  names: sparkNames,
  sharding: sparkSharding,
  schemes: { megatron: sparkMegatronScheme, mindspore: sparkMindSporeScheme },
  // The published conversion scripts do so: embedding and norms are kept wide.
  keepsFloat32: (path) =>
    path.startsWith('embedTokens.') ? 'embedding' : /Norm\./.test(path) ? 'norm' : undefined,
  rewardMarks: { className: 'IFlytekSparkForSequenceClassification', flag: 'is_reward_model' },
  describe: (config) => ({
    shape: sparkShape(config),
    initRule: { kind: 'xavier-normal' },
    bosTokenId: config.bos_token_id ?? undefined,
    eosTokenIds: endTokenIds(config.eos_token_id),
    padTokenId: config.pad_token_id ?? undefined,
    chat: sparkChat,
    tokenizerOptions: { newlineToken: '<ret>' },
    gguf: {
      unsupported:
        'llama.cpp has no architecture with LayerNorm, a gated GELU with biases and attention in a window of ' +
        'its own, all of which Spark has',
    },
    llama: {
      unsupported:
        'Spark has LayerNorm, a gated GELU with biases and attention in a window of its own, and Llama none of them',
    },
    createModel: () => new SparkModel(config),
  }),
});
