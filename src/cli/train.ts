/** `xinghe train`: a run by its configuration file. */
import { applyOverrides, parseConfig, readConfigFile } from '../config/index.js';
import { runTraining, trainConfigSchema } from '../training/index.js';
import { parseOptions } from './options.js';

const specs = {
  config: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'YAML or JSON; see recipes/ and docs/training.md',
  },
  set: { kind: 'strings', value: 'key=value…', help: 'override any key, e.g. --set training.steps=100' },
  resume: {
    kind: 'string',
    value: 'auto|PATH',
    help: 'go on from the newest checkpoint in the output folder, or from this one',
  },
  json: { kind: 'flag', help: 'print a summary as JSON on stdout' },
} as const;

export async function train(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe train', summary: 'pre-train or fine-tune (full, LoRA) by a configuration file' },
    specs,
    args,
  );
  const config = parseConfig(trainConfigSchema, applyOverrides(readConfigFile(options.config), options.set), {
    source: options.config,
  });
  const { losses, tokens, seconds, evaluations, skippedSteps } = await runTraining(config, {
    resume: options.resume,
  });
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ output: config.output, steps: losses.length, first_loss: losses[0]?.loss, last_loss: losses.at(-1)?.loss, eval_loss: evaluations.at(-1)?.loss, skipped_steps: skippedSteps, tokens, seconds })}\n`,
    );
  return 0;
}
