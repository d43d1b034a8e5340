// llama.cpp, through node-llama-cpp and its prebuilt library: prompt and decode speed of a GGUF, or one token and the end.
//
//   node llama-cpp.mjs MODEL.gguf --prompt 256 --new 48 --threads 2 --parallel 1 --reps 3
//   node llama-cpp.mjs MODEL.gguf --prompt 16 --threads 2 --first-token
//
// node-llama-cpp is looked for from the current folder. The last line is JSON; the best of the repetitions counts.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: 'string', default: '256' },
    new: { type: 'string', default: '48' },
    threads: { type: 'string', default: '2' },
    parallel: { type: 'string', default: '1' },
    reps: { type: 'string', default: '3' },
    'first-token': { type: 'boolean', default: false },
  },
});
const [modelPath] = positionals;
if (modelPath === undefined) throw new TypeError('name a GGUF');
const [promptLength, newTokens, threads, parallel, repetitions] = [
  values.prompt,
  values.new,
  values.threads,
  values.parallel,
  values.reps,
].map(Number);

const requireHere = createRequire(join(process.cwd(), 'any.js'));
const { getLlama, LlamaLogLevel } = await import(pathToFileURL(requireHere.resolve('node-llama-cpp')).href);
const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath });
const context = await model.createContext({
  contextSize: promptLength + newTokens + 16,
  sequences: parallel,
  batchSize: 512,
  threads,
  flashAttention: true,
});
const sequences = Array.from({ length: parallel }, () => context.getSequence());

/** As src/bench/subjects/generation.ts makes them. @param {number} seed */
function promptIds(seed) {
  return Array.from({ length: promptLength }, (_, index) => 300 + ((index * 7919 + seed * 104729) % 20000));
}

/** Greedy, the end of a text not heeded. @param {any} sequence @param {number[]} ids @param {number} count */
async function generate(sequence, ids, count) {
  let made = 0;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    made += 1;
    if (made === count) break;
  }
  return made;
}

async function firstToken() {
  await generate(sequences[0], promptIds(0), 1);
  console.log(JSON.stringify({ peer: 'llama.cpp', tokens: 1 }));
  process.exit(0);
}

async function speed() {
  let [prompt, decode] = [0, 0];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const sequence of sequences) await sequence.clearHistory();
    const started = performance.now();
    await Promise.all(
      sequences.map((sequence, index) =>
        sequence.evaluateWithoutGeneratingNewTokens(promptIds(repetition * 97 + index)),
      ),
    );
    const read = performance.now();
    const made = await Promise.all(
      sequences.map((sequence, index) => generate(sequence, [301 + index], newTokens)),
    );
    const ended = performance.now();
    prompt = Math.max(prompt, (promptLength * parallel * 1000) / (read - started));
    decode = Math.max(decode, (made.reduce((sum, count) => sum + count, 0) * 1000) / (ended - read));
  }
  console.log(
    JSON.stringify({ peer: 'llama.cpp', promptTokensPerSecond: prompt, decodeTokensPerSecond: decode }),
  );
}

await (values['first-token'] ? firstToken() : speed());
await llama.dispose();
