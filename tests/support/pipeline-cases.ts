/** What is trained on ranks that each have some blocks of the model, or some tokens of each row. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALONE, type ParallelCase, type ParallelRuns, publishedConfig, VOCABULARY } from './parallel-runs.js';
import { sparkConfig } from './plan-configs.js';
import { tensorParallelCases } from './tensor-parallel-cases.js';

const EXACT = { within: 1e-10 };

/** What is trained with shared matrices, and what differs between stages or between tokens of a row, by name. */
export function pipelineCases(runs: ParallelRuns, families: readonly string[]): Map<string, ParallelCase> {
  const chats = join(runs.folder, 'chats.jsonl');
  const lines = Array.from({ length: 40 }, (_, index) =>
    JSON.stringify({
      messages: [
        { role: 'user', content: `${index}?` },
        { role: 'assistant', content: index % 3 === 0 ? 'stars 星河' : `${index * 7}` },
      ],
    }),
  );
  writeFileSync(chats, `${lines.join('\n')}\n`);
  const packed = { files: [chats], form: 'messages', sequence_length: 37 };
  const judged = { files: [runs.judged], form: 'preference' };
  const cases: ParallelCase[] = [
    // A tied table, and a window that begins and ends within the tokens of any rank.
    {
      name: 'spark-window',
      config: {
        ...sparkConfig({ layers: 5, hidden: 32, intermediate: 24, heads: 4, vocab: VOCABULARY }),
        sparse_local_size: 7,
      },
      ...EXACT,
    },
    // The balance of the experts is counted over all stages; one layer has none.
    {
      name: 'deep-experts',
      config: { ...publishedConfig('qwen3moe'), num_hidden_layers: 5, output_router_logits: true },
      ...EXACT,
    },
    {
      name: 'deep-recompute',
      config: { ...publishedConfig('xverse'), num_hidden_layers: 4 },
      training: { recompute: { layers: [1, 3] } },
      ...EXACT,
    },
    {
      name: 'packed',
      config: publishedConfig('xverse'),
      sections: { data: packed, evaluation: { ...packed, every: 3, max_rows: 5 } },
      ...EXACT,
    },
    // Draws before the forward pass that is learned from.
    {
      name: 'kto-dropout',
      config: publishedConfig('xverse'),
      training: { objective: { loss: 'kto' }, micro_batch_size: 2 },
      sections: {
        data: judged,
        evaluation: { ...judged, every: 3, max_rows: 5 },
        lora: { rank: 4, dropout: 0.3, target_modules: ['q_proj', 'down_proj'] },
      },
      within: 1e-5,
    },
    // What one process has made of another case before is the teacher.
    {
      name: 'distilled',
      config: publishedConfig('xverse'),
      training: {
        objective: { loss: 'distillation', teacher: join(runs.folder, ALONE.run, 'xverse', 'final') },
      },
      ...EXACT,
    },
    // Nothing before the last block is trained.
    {
      name: 'last-block',
      config: publishedConfig('xverse'),
      sections: { lora: { rank: 4, target_modules: ['layers.2.mlp.down_proj', 'lm_head'] } },
      within: 1e-5,
    },
  ];
  return new Map([...tensorParallelCases(runs, families), ...cases.map((one) => [one.name, one] as const)]);
}
