/** Prints a text as it comes, ends it early, and sets a time limit. */
import { loadModel } from 'xinghe';

const [path = 'out/demo/model'] = process.argv.slice(2);
await using model = await loadModel(path, { cacheTokens: 2048 });

const stream = model.stream('星河', { maxNewTokens: 24 });
for await (const piece of stream) process.stdout.write(piece);
const { usage, finishReason } = await stream.answer;
console.log(`\n${usage.generatedTokens} tokens, ${finishReason}`);

// Leaving the loop ends the text in the engine as well.
let pieces = 0;
for await (const _ of model.stream('星河', { maxNewTokens: 200 })) {
  pieces += 1;
  if (pieces === 3) break;
}
console.log(`left after ${pieces} pieces`);

try {
  await model.generate('星河', { maxNewTokens: 1000, signal: AbortSignal.timeout(50) });
} catch (error) {
  if (!(error instanceof DOMException)) throw error;
  console.log(error.name);
}
