/** `xinghe run --run_mode eval`: the perplexity of the model on eval_dataset. */
import { checkTrainInput } from '../../compat/index.js';
import { log } from '../../log/index.js';
import { measureRun } from '../../training/index.js';
import type { ModeRun } from './run.js';
import { loadPublishedModel } from './run-model.js';

export async function runEval({ published, options }: ModeRun): Promise<number> {
  const config = checkTrainInput(published, options.config);
  const { isFirst, loss, perplexity, rows, tokens, seconds } = await measureRun(config, () =>
    loadPublishedModel(published.model, options.config),
  );
  if (!isFirst) return 0;
  process.stdout.write(`${JSON.stringify({ PerplexityMetric: { loss, PPL: perplexity }, rows, tokens })}\n`);
  log(
    `perplexity ${perplexity.toPrecision(6)}, mean over ${tokens} learned tokens of ${rows} rows; ${seconds.toFixed(1)} s`,
  );
  return 0;
}
