// What int8 keys and values cost in quality: perplexity of texts with the cache in the model's dtype and in int8.
//
//   node bench/kv-int8.mjs --model DIR --texts FILE.jsonl [--count 64] [--length 256] [--batch 16]
//
// The texts ({"text": "…"} a line) run in pieces of --batch tokens, so that most attention goes through the cache.
import { parseArgs } from 'node:util';
import { Engine, readQuestions } from '../dist/generation/index.js';
import { loadModel, loadModelTokenizer } from '../dist/models/index.js';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    texts: { type: 'string' },
    count: { type: 'string', default: '64' },
    length: { type: 'string', default: '256' },
    batch: { type: 'string', default: '16' },
  },
});
if (values.model === undefined || values.texts === undefined)
  throw new TypeError('--model DIR and --texts FILE.jsonl are required');
const { model, architecture } = loadModel(values.model);
const tokenizer = loadModelTokenizer(architecture, values.model);
const texts = (await readQuestions(values.texts)).slice(0, Number(values.count));
const rows = texts.map(({ content }) => tokenizer.encode(String(content)).slice(0, Number(values.length)));

/** @param {'int8' | undefined} kvDType */
function perplexity(kvDType) {
  const engine = new Engine(model, { kvDType, maxBatchTokens: Number(values.batch), maxSequences: 1 });
  let sum = 0;
  let tokens = 0;
  for (const [index, promptIds] of rows.entries())
    if (promptIds.length > 1) engine.submit(String(index), { promptIds, maxNewTokens: 0, promptLogProbs: 0 });
  while (engine.hasWork)
    for (const { promptLogProbs = [] } of engine.step())
      for (const token of promptLogProbs ?? []) {
        if (token === null) continue;
        sum += token.chosen.logProb;
        tokens += 1;
      }
  engine.dispose();
  return { perplexity: Math.exp(-sum / tokens), tokens };
}

const exact = perplexity(undefined);
const rounded = perplexity('int8');
console.log(
  JSON.stringify({
    texts: rows.length,
    tokens: exact.tokens,
    perplexity: Number(exact.perplexity.toFixed(5)),
    int8: Number(rounded.perplexity.toFixed(5)),
    change: `${(100 * (rounded.perplexity / exact.perplexity - 1)).toFixed(3)} %`,
  }),
);
