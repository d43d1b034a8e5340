/** A model folder to a GGUF for llama.cpp, and to float16 in two files; both load again. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { convert, InputError, loadModel } from 'xinghe';

const [from = 'out/demo/model', folder = 'out/examples/converted'] = process.argv.slice(2);
rmSync(folder, { recursive: true, force: true });

const gguf = await convert({ from, to: join(folder, 'model.gguf'), checkLogits: true });
console.log(`${gguf.to}: ${gguf.tensors} tensors, logits differ by ${gguf.logits?.largestDifference}`);
const half = await convert({ from, to: join(folder, 'half'), dtype: 'float16', shards: 2 });
console.log(`${half.to}: ${half.files} files, ${half.bytes} bytes`);

// What the caller can put right is an InputError, and says how.
try {
  await convert({ from, to: join(folder, 'half') });
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  console.log(error.message);
}

for (const path of [gguf.to, half.to]) {
  await using model = await loadModel(path, { cacheTokens: 1024, dtype: 'float32' });
  console.log(`${model.id}: ${(await model.generate('星河', { maxNewTokens: 8 })).text}`);
}
