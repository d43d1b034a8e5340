/** The loss of a model on prepared rows, without training: what a training run would measure on them. */
import { setImmediate } from 'node:timers/promises';
import { openDataset } from '../../data/index.js';
import { heartbeat, rankEnvironment } from '../../distributed/index.js';
import { InputError, Interruption } from '../../errors/index.js';
import { log, Progress } from '../../log/index.js';
import type { LoadedModel } from '../../models/index.js';
import { prepareRuntime } from '../../tensor/index.js';
import { checkModelSplit } from '../parallel/check-layout.js';
import { RunRanks } from '../parallel/run-ranks.js';
import { Trainer } from '../step/trainer.js';
import { measureHeldOut } from './held-out.js';
import type { TrainConfig } from './run-config.js';
import { datasetRows } from './run-rows.js';

export interface MeasuredRun {
  /** Mean over all learned tokens, in nats. */
  readonly loss: number;
  /** exp(loss). */
  readonly perplexity: number;
  readonly rows: number;
  /** Learned ones. */
  readonly tokens: number;
  readonly seconds: number;
  /** Rank 0 reports for all. */
  readonly isFirst: boolean;
}

/**
 * Measures the model on `config.data.dataset`; ranks share it as they share a training run.
 * @param load called once the ranks have met
 * @throws InputError for rows that do not fit the model, and where nothing of them is learned
 */
export async function measureRun(config: TrainConfig, load: () => LoadedModel): Promise<MeasuredRun> {
  const { data, training, parallel, threads } = config;
  if (data.dataset === undefined) throw new InputError('data.dataset is missing: prepared rows to measure.');
  prepareRuntime(threads === undefined ? {} : { threads });
  const environment = rankEnvironment();
  const ranks =
    environment === undefined || environment.size === 1
      ? undefined
      : RunRanks.join(environment, parallel, JSON.stringify(config));
  const started = performance.now();
  let loaded: LoadedModel | undefined;
  try {
    loaded = load();
    const { model, architecture } = loaded;
    checkModelSplit(architecture, parallel);
    const { rows, documentAttention, close } = datasetRows(
      data,
      openDataset(data.dataset),
      architecture,
      undefined,
    );
    const interruption = new Interruption();
    try {
      const trainer = new Trainer(model, new Map(), training, {
        totalSteps: 1,
        documentAttention,
        padTokenId: architecture.padTokenId ?? 0,
        share: ranks?.share(architecture),
      });
      const progress = new Progress({ label: 'evaluation', unit: 'row', total: rows.rowCount });
      let done = 0;
      const { loss, tokens } = await measureHeldOut(
        (batch) => {
          heartbeat({ step: done, phase: 'evaluation' });
          const sums = trainer.measure(batch);
          done = Math.min(rows.rowCount, done + training.micro_batch_size * (ranks?.data.size ?? 1));
          return sums;
        },
        { rows },
        training.micro_batch_size,
        async () => {
          await setImmediate();
          if (ranks?.isFirst !== false) progress.update(done);
          interruption.check((signal) => `stopped by ${signal}`);
        },
        ranks,
      );
      if (ranks?.isFirst !== false) progress.finish();
      if (tokens === 0) throw new InputError(`${rows.path}: no token to measure; the loss masks are all 0.`);
      if (!Number.isFinite(loss)) log(`warning: the loss is ${loss}`);
      return {
        loss,
        perplexity: Math.exp(loss),
        rows: rows.rowCount,
        tokens,
        seconds: (performance.now() - started) / 1000,
        isFirst: ranks?.isFirst !== false,
      };
    } finally {
      interruption.dispose();
      close();
    }
  } finally {
    loaded?.model.dispose();
    ranks?.leave();
  }
}
