/** What the 19 published run files say, written by hand from them. */
export interface Expected {
  readonly mode: string;
  readonly adamw: string;
  readonly eps: number;
  readonly rate: readonly [number, number];
  readonly warmup: number | { readonly ratio: number };
  readonly epochs: number;
  readonly rows: readonly [number, number];
  readonly save: readonly [number, number];
  readonly total: number | undefined;
  readonly precision: string;
  readonly scale: object;
  readonly recompute: string;
  readonly sequenceParallel: boolean;
  readonly shuffle: boolean;
  readonly lora: object | undefined;
  readonly layout: readonly [number, number, number];
  readonly shard: boolean;
  readonly decay?: number;
}

const DYNAMIC = (initial: number, window: number) => ({ kind: 'dynamic', initial, factor: 2, window });
const FIXED_1 = { kind: 'fixed', initial: 1 };

const ascend = {
  mode: 'finetune',
  adamw: 'spark',
  eps: 1e-8,
  epochs: 10,
  rows: [1, 2],
  save: [1000, 5],
  total: 300000,
  recompute: 'full',
  sequenceParallel: false,
  shuffle: false,
  lora: undefined,
} as const;
const tuning = { ...ascend, rate: [3e-5, 3e-6], warmup: 0 } as const;
const LORA = { rank: 3, alpha: 128, dropout: 0 } as const;
const sparkInference = {
  mode: 'predict',
  adamw: 'uncorrected',
  eps: 1e-8,
  rate: [1e-5, 0],
  warmup: { ratio: 0.03 },
  epochs: 1,
  rows: [1, 1],
  save: [1000, 5],
  total: undefined,
  precision: 'float16-mixed',
  scale: DYNAMIC(128, 100),
  recompute: 'none',
  sequenceParallel: false,
  shuffle: true,
  lora: undefined,
} as const;
const telechat = {
  mode: 'finetune',
  adamw: 'uncorrected',
  eps: 1e-8,
  rate: [1e-5, 0],
  warmup: { ratio: 0 },
  epochs: 2,
  save: [100, 5],
  total: undefined,
  recompute: 'full',
  sequenceParallel: true,
  shuffle: true,
  lora: undefined,
} as const;
const telechatInference = {
  ...telechat,
  mode: 'predict',
  adamw: 'torch',
  warmup: { ratio: 0.03 },
  epochs: 5,
  eps: 1e-5,
  rows: [1, 1],
  save: [50, 5],
  layout: [1, 1, 1],
  shard: false,
  scale: DYNAMIC(4096, 500),
  recompute: 'none',
  sequenceParallel: false,
  shuffle: false,
} as const;

/** rate: highest, lowest. rows: in a micro-batch, micro-batches in a step on one device. layout: data, model, pipeline. */
export const table: Record<string, Expected> = {
  'spark/run_iflytekspark_13b_pretrain_800T_A2_64G.yaml': {
    ...ascend,
    mode: 'train',
    rate: [3e-4, 3e-5],
    warmup: 1020,
    layout: [2, 4, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
  },
  'spark/run_iflytekspark_13b_pretrain_800_32G.yaml': {
    ...ascend,
    mode: 'train',
    rate: [3e-4, 3e-5],
    warmup: 1020,
    layout: [2, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    sequenceParallel: true,
  },
  'spark/run_iflytekspark_13b_sft_800T_A2_64G.yaml': {
    ...tuning,
    layout: [2, 4, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
  },
  'spark/run_iflytekspark_13b_sft_800_32G.yaml': {
    ...tuning,
    layout: [2, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    sequenceParallel: true,
  },
  'spark/run_iflytekspark_13b_lora_800T_A2_64G.yaml': {
    ...tuning,
    rows: [1, 4],
    layout: [4, 2, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_lora_800_32G.yaml': {
    ...tuning,
    rows: [1, 1],
    layout: [1, 8, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_infer_800T_A2_64G.yaml': { ...sparkInference, layout: [1, 1, 1], shard: false },
  'spark/run_iflytekspark_13b_infer_800_32G.yaml': { ...sparkInference, layout: [1, 2, 1], shard: false },
  'spark/run_iflytekspark_13b_infer_lora_800T_A2_64G.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_infer_lora_800_32G.yaml': {
    ...sparkInference,
    layout: [1, 2, 1],
    shard: false,
    lora: LORA,
  },
  'spark/run_iflytekspark_13b_lite_infer_800T_A2_64G.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
  },
  'spark/run_iflytekspark_13b_lite_infer_800T_A2_64G_dis.yaml': {
    ...sparkInference,
    layout: [1, 1, 1],
    shard: false,
  },
  'spark/run_iflytekspark_13b_lite_infer_800_32G.yaml': {
    ...sparkInference,
    layout: [1, 2, 1],
    shard: false,
  },
  'telechat-mindformers/finetune_telechat_7b.yaml': {
    ...telechat,
    rows: [4, 8],
    layout: [8, 1, 1],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
  },
  'telechat-mindformers/finetune_telechat_12b.yaml': {
    ...telechat,
    rows: [4, 8],
    layout: [8, 1, 1],
    shard: true,
    precision: 'float16-mixed',
    scale: DYNAMIC(2 ** 32, 1000),
  },
  'telechat-mindformers/finetune_telechat_52b.yaml': {
    ...telechat,
    rows: [1, 32],
    layout: [1, 8, 2],
    shard: true,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    save: [100, 100],
  },
  'telechat-mindformers/predict_telechat_7b.yaml': { ...telechatInference, precision: 'bfloat16-mixed' },
  'telechat-mindformers/predict_telechat_12b.yaml': { ...telechatInference, precision: 'float16-mixed' },
  'telechat-mindformers/predict_telechat_52b.yaml': {
    ...telechatInference,
    eps: 1e-8,
    rate: [1.5e-4, 1.5e-5],
    epochs: 1,
    save: [100, 100],
    layout: [1, 4, 1],
    shard: false,
    precision: 'bfloat16-mixed',
    scale: FIXED_1,
    decay: 0.01,
    shuffle: true,
  },
};
