/** What is trained on ranks that share every large matrix. */
import { familyCases, type ParallelCase, type ParallelRuns, publishedConfig } from './parallel-runs.js';

const LINEARS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'];
const lora = { rank: 4, dropout: 0.2, target_modules: LINEARS };
/** Adapters are of float32, whatever the model is of. */
const ADAPTED = { within: 1e-5 };
const NARROW = { within: 5e-3 };
const EXACT = { within: 1e-10 };

/** Families, and whatever may be told apart in a run, by name. */
export function tensorParallelCases(
  runs: ParallelRuns,
  families: readonly string[],
): Map<string, ParallelCase> {
  const xverse = publishedConfig('xverse');
  const oddRows = { files: [runs.texts], form: 'text', sequence_length: 23 };
  const compared = (loss: string, file = runs.preferences, microBatchSize = 1): ParallelCase => {
    const data = { files: [file], form: 'preference' };
    return {
      name: loss,
      config: xverse,
      training: { objective: { loss }, micro_batch_size: microBatchSize },
      sections: { data, evaluation: { ...data, every: 3, max_rows: 5 } },
      ...EXACT,
    };
  };
  const cases: ParallelCase[] = [
    ...familyCases(families),
    // Two ranks look at the same head of keys and values, which is one of three.
    {
      name: 'uneven-heads',
      config: { ...publishedConfig('qwen3'), num_attention_heads: 6, num_key_value_heads: 3 },
      ...EXACT,
    },
    // Neither ids nor tokens are a multiple of the ranks.
    {
      name: 'odd',
      config: { ...publishedConfig('qwen2'), vocab_size: 1001 },
      sections: { data: oddRows, evaluation: { ...oddRows, every: 3, max_rows: 5 } },
      ...EXACT,
    },
    { name: 'balanced', config: { ...publishedConfig('qwen3moe'), output_router_logits: true }, ...EXACT },
    { name: 'recompute', config: publishedConfig('qwen3'), training: { recompute: 'full' }, ...EXACT },
    {
      name: 'epochs',
      config: xverse,
      training: { steps: undefined, epochs: 1.5, micro_batch_size: 2 },
      ...EXACT,
    },
    {
      name: 'lora',
      config: xverse,
      sections: { lora: { ...lora, rank_stabilized: true, plus_ratio: 4 } },
      ...ADAPTED,
    },
    {
      name: 'dora',
      config: publishedConfig('llama'),
      sections: { lora: { ...lora, target_modules: [...LINEARS, 'lm_head'], dora: true } },
      ...ADAPTED,
    },
    {
      name: 'fused-lora',
      config: publishedConfig('telechat-52b'),
      sections: { lora: { ...lora, target_modules: ['c_attn', 'c_proj', 'c_fc', 'lm_head'] } },
      ...ADAPTED,
    },
    { name: 'noise', config: xverse, training: { neftune_noise_alpha: 5 }, ...EXACT },
    { name: 'samples', config: xverse, sections: { watch: { prompts: ['Line'] } }, ...EXACT },
    { name: 'best', config: xverse, sections: { checkpoints: { every: 3, keep_best: true } }, ...EXACT },
    { name: 'float32', config: xverse, training: { precision: 'float32' }, within: 1e-5 },
    { name: 'bfloat16', config: xverse, training: { precision: 'bfloat16' }, ...NARROW },
    { name: 'mixed', config: xverse, training: { precision: 'bfloat16-mixed' }, ...NARROW },
    { name: 'scaled', config: xverse, training: { precision: 'float16-mixed' }, ...NARROW },
    compared('dpo'),
    compared('ipo'),
    compared('orpo'),
    compared('simpo'),
    compared('kto', runs.judged, 2),
    compared('reward'),
  ];
  return new Map(cases.map((one) => [one.name, one]));
}
