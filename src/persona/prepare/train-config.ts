/** The training run of a persona: the published defaults, in a configuration of its own that people can read and change. */
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { InputError } from '../../errors/index.js';
import { writeError } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { loadModelArchitecture } from '../../models/index.js';
import { TRAIN_FILE, VALIDATION_FILE } from './prepare-persona.js';

export interface PersonaTrainOptions {
  /** What prepare wrote. */
  readonly data: string;
  readonly model: string;
  readonly output: string;
  /** An adapter in place of all weights. */
  readonly lora: boolean;
  readonly seed?: number | undefined;
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
}

/** As published: rows of 8192, 2 of them a step, 3e-5 down to 1e-10. How often the data are read was not said. */
export const PERSONA_DEFAULTS = {
  sequenceLength: 8192,
  globalBatchSize: 2,
  learningRate: 3e-5,
  minLearningRate: 1e-10,
  epochs: 3,
} as const;

export const CONFIG_FILE = 'train.yaml';

/**
 * Writes the configuration into the output folder.
 * @returns its path
 * @throws InputError where the data are not there
 */
export function writeTrainConfig(options: PersonaTrainOptions): string {
  const { data, model, output, lora } = options;
  const train = join(data, TRAIN_FILE);
  if (!existsSync(train))
    throw new InputError(
      `${data} holds no ${TRAIN_FILE}; xinghe persona prepare makes it (--output ${data}).`,
    );
  const validation = join(data, VALIDATION_FILE);
  const hasValidation = existsSync(validation) && statSync(validation).size > 0;
  const rows = { form: 'messages', sequence_length: sequenceLengthFor(model) };
  const config = {
    output,
    seed: options.seed ?? 42,
    ...(options.device !== undefined && { device: options.device }),
    ...(options.threads !== undefined && { threads: options.threads }),
    model: { path: model },
    data: { files: [train], ...rows },
    ...(hasValidation && { evaluation: { files: [validation], ...rows } }),
    ...(lora && { lora: { rank: 8, alpha: 16, target_modules: 'all-linear' } }),
    training: {
      epochs: PERSONA_DEFAULTS.epochs,
      micro_batch_size: 1,
      gradient_accumulation_steps: PERSONA_DEFAULTS.globalBatchSize,
      learning_rate: PERSONA_DEFAULTS.learningRate,
      min_learning_rate: PERSONA_DEFAULTS.minLearningRate,
    },
    checkpoints: { every: 200, keep_last: 1 },
  };
  const path = join(output, CONFIG_FILE);
  try {
    mkdirSync(output, { recursive: true });
    writeFileSync(
      path,
      `# Written by xinghe persona train; --set changes it. Paths are as seen from ${resolve('.')}.\n${stringify(config)}`,
    );
  } catch (error) {
    throw writeError(path, error, true);
  }
  return path;
}

/** Spark's window of 8192 stands in its config; a model that is made for less takes shorter rows. */
function sequenceLengthFor(model: string): number {
  const { maxPositions } = loadModelArchitecture(model).shape;
  const { sequenceLength } = PERSONA_DEFAULTS;
  if (maxPositions === undefined || maxPositions >= sequenceLength) return sequenceLength;
  log(`rows of ${maxPositions} instead of ${sequenceLength}: the model is made for no more positions`);
  return maxPositions;
}
