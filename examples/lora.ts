/** Fine-tunes a model with LoRA, then serves base and adapter side by side. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel, type Message, train } from 'xinghe';

const [path = 'out/demo/model', output = 'out/examples/lora'] = process.argv.slice(2);
const file = join(output, '..', 'dialogues.jsonl');
mkdirSync(join(output, '..'), { recursive: true });
const messages: Message[] = [
  { role: 'user', content: 'Who are you?' },
  { role: 'assistant', content: 'I am Xinghe.' },
];
writeFileSync(file, `${JSON.stringify({ messages })}\n`.repeat(16));

await train({
  output,
  model: { path },
  data: { files: [file], form: 'messages', sequence_length: 64 },
  lora: { rank: 4, alpha: 8, target_modules: ['q_proj', 'v_proj'] },
  training: { steps: 12, micro_batch_size: 4, learning_rate: 2e-2 },
});

// adapter/ is a PEFT folder; final/ would be the model with it merged.
await using model = await loadModel(path, {
  cacheTokens: 2048,
  adapters: { xinghe: join(output, 'adapter') },
});
const question = messages.slice(0, 1);
const [base, adapted] = await Promise.all([
  model.chat(question, { maxNewTokens: 12 }),
  model.chat(question, { maxNewTokens: 12, adapter: 'xinghe' }),
]);
console.log(JSON.stringify({ base: base.text, adapted: adapted.text }));
