/** Continues texts, several at the same time: they run together in the engine. */
import { loadModel, loadTokenizer } from 'xinghe';

const [path = 'out/demo/model'] = process.argv.slice(2);
const prompts = ['星河里有', 'The stars are', 'One, two, three,'];

// A tokenizer alone needs no weights and no native part.
const tokenizer = loadTokenizer(path);
for (const prompt of prompts) console.log(`${prompt}: ${tokenizer.encode(prompt).length} tokens`);

await using model = await loadModel(path, { cacheTokens: 2048 });
const answers = await Promise.all(
  prompts.map((prompt, index) =>
    model.generate(prompt, { maxNewTokens: 16, temperature: 0.8, topP: 0.9, seed: index }),
  ),
);
for (const [index, { text, finishReason, usage }] of answers.entries())
  console.log(JSON.stringify({ prompt: prompts[index], text, finishReason, tokens: usage.generatedTokens }));
