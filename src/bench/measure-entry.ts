/** A process that does one task of `xinghe bench` and prints what it measured as JSON in its last line; not for other callers. */
import { InputError, messageOf } from '../errors/index.js';

/** Each loads what it needs and no more, so that the memory of its process is its own. */
const tasks = {
  probe: async (text: string) => (await import('./machine/machine-peaks.js')).probeMachine(JSON.parse(text)),
  train: async (text: string) => (await import('./subjects/train.js')).measureTrain(JSON.parse(text)),
  generation: async (text: string) =>
    (await import('./subjects/generation.js')).measureGeneration(JSON.parse(text)),
  'cached-prompt': async (text: string) =>
    (await import('./subjects/generation.js')).measureCachedPrompt(JSON.parse(text)),
  'operator-call': async (text: string) =>
    (await import('./subjects/operator-call.js')).measureOperatorCall(JSON.parse(text)),
  'linear-products': async (text: string) =>
    (await import('./subjects/linear-products.js')).measureLinearProducts(JSON.parse(text)),
  encode: async (text: string) => (await import('./subjects/tokenizer.js')).measureEncode(JSON.parse(text)),
  vocabulary: async (text: string) =>
    (await import('./subjects/tokenizer.js')).measureVocabulary(JSON.parse(text)),
  convert: async (text: string) => (await import('./subjects/convert.js')).measureConvert(JSON.parse(text)),
  data: async (text: string) => (await import('./subjects/data.js')).measureData(JSON.parse(text)),
  serve: async (text: string) => (await import('./subjects/serve.js')).measureServe(JSON.parse(text)),
  cost: async (text: string) => (await import('./subjects/cost.js')).measureCost(JSON.parse(text)),
  'make-model': async (text: string) =>
    (await import('./materials/random-model.js')).writeRandomModel(JSON.parse(text)),
  'make-gguf': async (text: string) => (await import('../models/index.js')).convertModel(JSON.parse(text)),
  'make-texts': async (text: string) => (await import('./materials/texts.js')).writeTexts(JSON.parse(text)),
  'make-records': async (text: string) =>
    (await import('./materials/texts.js')).writeRecords(JSON.parse(text)),
  'make-tokenizer': async (text: string) =>
    (await import('./materials/texts.js')).writeTokenizer(JSON.parse(text)),
} as const satisfies Record<string, (text: string) => Promise<object>>;

export type TaskName = keyof typeof tasks;

const [name, settings = '{}'] = process.argv.slice(2);
const task = Object.entries(tasks).find(([known]) => known === name)?.[1];
// Imported by a type alone elsewhere; as a program it has a task.
if (task !== undefined) {
  try {
    process.stdout.write(`${JSON.stringify(await task(settings))}\n`);
  } catch (error) {
    process.stderr.write(
      error instanceof InputError
        ? `${messageOf(error)}\n`
        : `${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exitCode = error instanceof InputError ? 2 : 1;
  }
}
