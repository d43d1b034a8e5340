/** A training configuration of any kind that is understood here, told apart by what is in it. */
import { applyOverrides, parseConfig, readConfigFile, readYaml11File } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { type TrainConfig, trainConfigSchema } from '../training/index.js';
import { spellOutAllModules } from './all-modules.js';
import { foreignKeyHint } from './foreign-keys.js';
import { checkTrainInput, type ImportedRun } from './imported-run.js';
import { describeIgnored, isMapping } from './key-tree.js';
import { isPublishedRun, loadPublishedRun, type PublishedRun } from './mindformers/load-published-run.js';
import { loadScript } from './scripts/load-script.js';

export interface TrainingConfig {
  readonly config: TrainConfig;
  /** What a user should know of a foreign configuration: differences first, then keys without effect. */
  readonly notes: readonly string[];
  /** A published file says so: go on from the last checkpoint, or from the named one. */
  readonly resume: boolean | string;
}

/**
 * @param path our own YAML or JSON, a published run file (.yaml), or a published launch script or its arguments (.sh, .txt)
 * @param overrides key=value with the keys of the file's own kind
 * @param ranks processes that share the run: what a published run file says of its devices goes by them
 * @throws InputError naming file and key
 */
export function loadTrainingConfig(
  path: string,
  overrides: readonly string[] = [],
  { ranks = 1 }: { readonly ranks?: number | undefined } = {},
): TrainingConfig {
  if (/\.(?:sh|bash|txt|args)$/i.test(path)) {
    const run = loadScript(path, overrides);
    return { config: checkTrainInput(run, path), notes: notesOf(run), resume: run.resume };
  }
  if (isPublishedRun(readYaml11File(path).value)) {
    const run = loadPublishedRun(path, overrides, { ranks });
    refuseOtherModes(run, path);
    return { config: checkTrainInput(run, path), notes: notesOf(run), resume: run.resume };
  }
  const value = readConfigFile(path);
  if (isMapping(value) && Object.hasOwn(value, 'zero_optimization'))
    throw new InputError(
      `${path}: is a DeepSpeed file, which says nothing of model and data; give the launch script that names it (--config run.sh).`,
    );
  return { config: parseTrainingConfig(value, path, overrides), notes: [], resume: false };
}

/**
 * A configuration of our own form that is no file.
 * @param source names it in messages
 * @throws InputError naming source and key
 */
export function parseTrainingConfig(
  value: unknown,
  source: string,
  overrides: readonly string[] = [],
): TrainConfig {
  const changed = spellOutAllModules(applyOverrides(value, overrides, { nullRemoves: true }));
  return parseConfig(trainConfigSchema, changed, { source, hintFor: foreignKeyHint });
}

/** What a user should know of it; a line each. */
export function notesOf(run: ImportedRun): string[] {
  return [...run.warnings.map((text) => `note: ${text}`), ...describeIgnored(run.ignored)];
}

function refuseOtherModes({ runMode }: PublishedRun, path: string): void {
  switch (runMode) {
    case 'train':
    case 'finetune':
      return;
    case 'eval':
    case 'predict':
    case 'export':
      throw new InputError(
        `${path}: run_mode is ${runMode}; xinghe train takes train and finetune (--set run_mode=finetune), ` +
          `xinghe run --config ${path} does what the file asks for.`,
      );
  }
}
