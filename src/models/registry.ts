/** All families: one line each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readConfigFile } from '../config/index.js';
import { InputError } from '../errors/index.js';
import type { Architecture, ModelFamily } from './family.js';
import { nearestFamily } from './foreign-models.js';
import { llama } from './llama/index.js';
import { mistral } from './mistral/index.js';
import { qwen2 } from './qwen2/index.js';
import { qwen3 } from './qwen3/index.js';
import { qwen3Moe } from './qwen3-moe/index.js';
import { isRewardModel, rewardArchitecture } from './reward-model.js';
import { spark } from './spark/index.js';
import { telechat } from './telechat/index.js';
import { telechat3 } from './telechat3/index.js';
import { telechat52b } from './telechat52b/index.js';
import { xverse } from './xverse/index.js';

/** In this order: of families that know a file's names equally well, the first is taken where no config says which it is. */
export const families: readonly ModelFamily[] = [
  spark,
  telechat,
  telechat52b,
  xverse,
  llama,
  mistral,
  qwen2,
  qwen3,
  telechat3,
  qwen3Moe,
];

/** Names of the config in a model folder, the first found counts. */
const CONFIG_FILES = ['config.json', 'model_config.yaml', 'model_config.yml'] as const;

/** The architecture that a published config file describes. @throws InputError if no family knows it. */
export function loadArchitecture(configPath: string): Architecture {
  return parseArchitecture(readConfigFile(configPath), configPath);
}

export function parseArchitecture(config: unknown, source: string): Architecture {
  const family = families.find((candidate) => candidate.recognises(config));
  if (family === undefined)
    throw new InputError(
      `${source}: no model family recognises this config; known: ${families.map(({ name }) => name).join(', ')} ` +
        `(by model_type, or model.model_config.type in Spark YAML).${nearestFamily(config)}`,
    );
  const architecture = family.parse(config, source);
  return isRewardModel(architecture, source) ? rewardArchitecture(architecture) : architecture;
}

/** The config file in a model folder; undefined if there is none. */
export function findConfigIn(folder: string): string | undefined {
  const name = CONFIG_FILES.find((candidate) => existsSync(join(folder, candidate)));
  return name === undefined ? undefined : join(folder, name);
}

/** The config file in a model folder. @throws InputError if there is none. */
export function findConfig(folder: string): string {
  const path = findConfigIn(folder);
  if (path === undefined)
    throw new InputError(
      `${folder}: no config found (looked for ${CONFIG_FILES.join(', ')}); give one with --config.`,
    );
  return path;
}
