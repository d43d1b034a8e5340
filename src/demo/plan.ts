/** Sizes of the demo: chosen so that the whole run stays under 5 minutes on 2 cores, 60 seconds with --quick. */
import { type TrainingLoopOptions, trainingSettings } from '../training/index.js';
import type { DialogueOptions } from './world/dialogues.js';
import type { PretrainingOptions } from './world/pretraining.js';

type Stage = Pick<TrainingLoopOptions, 'training' | 'documentAttention'>;

export interface DemoPlan {
  readonly vocabSize: number;
  readonly rowLength: number;
  readonly pretrainingText: PretrainingOptions;
  readonly dialogueText: DialogueOptions;
  /** Keys of XVERSE's config. */
  readonly model: {
    readonly hidden_size: number;
    readonly intermediate_size: number;
    readonly num_hidden_layers: number;
    readonly num_attention_heads: number;
    readonly initializer_range: number;
  };
  readonly pretraining: Stage;
  readonly fineTuning: Stage;
}

const stage = { warmup_steps: 20, beta1: 0.9, beta2: 0.98, weight_decay: 0.01, micro_batch_size: 8 } as const;

/** Wider than usual: these models are narrow, and few steps are there to grow out of small values. */
const INITIALIZER_RANGE = 0.05;

export function demoPlan(quick: boolean): DemoPlan {
  return quick
    ? {
        vocabSize: 800,
        rowLength: 128,
        pretrainingText: { rounds: 30 },
        dialogueText: { rounds: 2 },
        model: {
          hidden_size: 128,
          intermediate_size: 352,
          num_hidden_layers: 3,
          num_attention_heads: 4,
          initializer_range: INITIALIZER_RANGE,
        },
        pretraining: {
          training: trainingSettings({ ...stage, epochs: 2, learning_rate: 3e-3 }),
          documentAttention: false,
        },
        fineTuning: {
          training: trainingSettings({ ...stage, epochs: 3, learning_rate: 2e-3 }),
          documentAttention: true,
        },
      }
    : {
        vocabSize: 1200,
        rowLength: 128,
        pretrainingText: { rounds: 24 },
        dialogueText: { rounds: 2 },
        model: {
          hidden_size: 160,
          intermediate_size: 416,
          num_hidden_layers: 4,
          num_attention_heads: 5,
          initializer_range: INITIALIZER_RANGE,
        },
        pretraining: {
          training: trainingSettings({ ...stage, epochs: 2, learning_rate: 2.5e-3 }),
          documentAttention: false,
        },
        fineTuning: {
          training: trainingSettings({ ...stage, epochs: 2, learning_rate: 1.5e-3 }),
          documentAttention: true,
        },
      };
}
