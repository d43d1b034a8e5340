/** `xinghe train`: a run by its configuration file. */
import { loadTrainingConfig } from '../compat/index.js';
import { log } from '../log/index.js';
import { runTraining } from '../training/index.js';
import { parseOptions } from './options.js';

const specs = {
  config: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'YAML, JSON or a published launch script; see recipes/, docs/training.md, docs/migration.md',
  },
  set: { kind: 'strings', value: 'key=value…', help: 'override any key, e.g. --set training.steps=100' },
  resume: {
    kind: 'string',
    value: 'auto|PATH',
    help: 'go on from the newest checkpoint in the output folder (from the start if it has none), or from this one',
  },
  watch: {
    kind: 'integer',
    min: 0,
    value: 'PORT',
    help: 'serve a live page of the run on this port of 127.0.0.1; 0 takes a free one',
  },
  json: { kind: 'flag', help: 'print a summary as JSON on stdout' },
} as const;

export async function train(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe train', summary: 'pre-train or fine-tune (full, LoRA) by a configuration file' },
    specs,
    args,
  );
  const { config, notes, resume } = loadTrainingConfig(options.config, [
    ...options.set,
    ...(options.watch === undefined ? [] : [`watch.port=${options.watch}`]),
  ]);
  for (const note of notes) log(note);
  const { losses, tokens, seconds, evaluations, skippedSteps } = await runTraining(config, {
    resume: options.resume ?? (resume === true ? 'auto' : resume || undefined),
  });
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ output: config.output, steps: losses.length, first_loss: losses[0]?.loss, last_loss: losses.at(-1)?.loss, eval_loss: evaluations.at(-1)?.loss, skipped_steps: skippedSteps, tokens, seconds })}\n`,
    );
  return 0;
}
