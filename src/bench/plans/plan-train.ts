/** `xinghe bench train`. */
import type { Benchmark } from '../benchmark.js';
import { configOfSize, type ModelSize, parseModelSize, sizeOfShape } from '../materials/model-sizes.js';
import { ownSide } from '../rounds/own-side.js';
import { type TrainSettings, WARM_UP_STEPS } from '../subjects/train-settings.js';
import {
  argumentsOf,
  chosenPeer,
  type ModelChoice,
  namedArchitecture,
  type PeerChoice,
  RANDOM_WEIGHTS,
} from './plan-options.js';

export interface TrainPlanOptions extends ModelChoice, PeerChoice {
  readonly batch: number;
  readonly length: number;
  readonly precision: TrainSettings['precision'];
  readonly lora: number;
  readonly recompute: boolean;
  readonly steps: number;
  readonly threads: number;
}

/** Of a model that is named only its config is taken. */
export async function planTrain(options: TrainPlanOptions): Promise<Benchmark> {
  const { batch, length, precision, lora, recompute, steps, threads } = options;
  const architecture = options.model === undefined ? undefined : await namedArchitecture(options.model);
  const size = architecture === undefined ? parseModelSize(options.size) : sizeOfShape(architecture.shape);
  const settings: TrainSettings = {
    config: architecture?.publishedConfig ?? configOfSize(size, 'float32'),
    batch,
    length,
    precision,
    lora,
    recompute,
    steps,
    threads,
  };
  const peer = chosenPeer('train', options);
  const name = options.model ?? options.size;
  return {
    subject: 'train',
    title: `Training step, ${name}, ${precision}${lora > 0 ? `, LoRA of rank ${lora}` : ''}${recompute ? ', full recompute' : ''}`,
    settings: { batch, length, precision, lora, recompute, steps },
    metrics: [
      { key: 'tokensPerSecond', title: 'speed', unit: 'tokens/s', better: 'higher' },
      {
        key: 'gflopsPerSecond',
        title: 'operations',
        unit: 'GFLOP/s',
        better: 'higher',
        optional: true,
        limit: precision === 'float32' ? 'float32Products' : 'bfloat16Products',
      },
      { key: 'peakMemoryMiB', title: 'peak memory', unit: 'MiB', better: 'lower', optional: true },
    ],
    ours: ownSide('train', settings),
    peer: peer?.side(peerArguments(size, options)),
    notes: [
      `A step is forward, backward, gradient norm, clipping and AdamW; of ${steps} steps in a process the best counts, the first ${WARM_UP_STEPS} apart.`,
      'Operations of a token: 6 for each parameter but those of the embedding, and 12 x layers x hidden x length for attention, not halved for causality ' +
        '(PaLM, arXiv 2204.02311, appendix B); by the same formula where only LoRA is trained or activations are computed twice.',
      RANDOM_WEIGHTS,
    ],
    threads,
  };
}

/** As bench/peers/pytorch-train.py takes them. */
function peerArguments(size: ModelSize, options: TrainPlanOptions): string[] {
  const { layers, hidden, ffn, heads, kvHeads, vocab } = size;
  const { batch, length, steps, threads, lora, recompute, precision } = options;
  return argumentsOf({
    layers,
    hidden,
    ffn,
    heads,
    // A program that knows no shared heads need not know the word.
    'kv-heads': kvHeads === heads ? undefined : kvHeads,
    vocab,
    batch,
    length,
    steps,
    threads,
    lora,
    recompute,
    dtype: precision === 'bfloat16-mixed' ? 'autocast' : precision,
  });
}
