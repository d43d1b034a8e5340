/** Trains a new small model by a configuration, watches its loss, and lets it write. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadModel, train } from 'xinghe';

const [tokenizer = 'out/demo/model', output = 'out/examples/train'] = process.argv.slice(2);
const texts = join(output, '..', 'texts.jsonl');
mkdirSync(join(output, '..'), { recursive: true });
const lines = Array.from({ length: 40 }, (_, index) => ({
  text: `Star ${index} shines over the river. 星河灿烂。`,
}));
writeFileSync(texts, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

const { losses, evaluations } = await train(
  {
    output,
    seed: 1,
    model: {
      tokenizer,
      config: {
        model_type: 'xverse',
        vocab_size: 4096,
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        eos_token_id: 3,
        pad_token_id: 1,
      },
    },
    data: { files: [texts], form: 'text', sequence_length: 32 },
    training: { steps: 20, micro_batch_size: 4, learning_rate: 5e-3 },
  },
  // Any key may be changed as on the command line.
  {
    set: ['training.warmup_steps=2'],
    onStep: ({ step, loss }) => console.log(`step ${step}: ${loss.toFixed(3)}`),
  },
);
console.log(
  `loss ${losses[0]?.loss.toFixed(3)} -> ${losses.at(-1)?.loss.toFixed(3)}, ${evaluations.length} evaluations`,
);

await using model = await loadModel(join(output, 'final'), { cacheTokens: 1024 });
console.log((await model.generate('Star', { maxNewTokens: 8 })).text);
