/** `xinghe bench VERB`: how fast each part is here, alone or in turns with a program of others. */
import { runVerb } from '../run-verb.js';

const verbs = {
  train: async () => (await import('./bench-train.js')).benchTrain,
  decode: async () => (await import('./bench-generation.js')).benchDecode,
  prompt: async () => (await import('./bench-generation.js')).benchPrompt,
  serve: async () => (await import('./bench-serve.js')).benchServe,
  tokenizer: async () => (await import('./bench-tokenizer.js')).benchTokenizer,
  convert: async () => (await import('./bench-files.js')).benchConvert,
  data: async () => (await import('./bench-files.js')).benchData,
  op: async () => (await import('./bench-op.js')).benchOp,
  cost: async () => (await import('./bench-cost.js')).benchCost,
} as const;

const HELP = `xinghe bench VERB; --help after a verb tells more

  train      a training step: tokens a second, operations, memory
  decode     tokens a second of sequences that have read their prompts
  prompt     tokens a second of prompts; the first token of a process, of a cached prompt
  serve      streams over HTTP beside the bare engine
  tokenizer  encoding texts; training a vocabulary
  convert    a checkpoint read and written
  data       records to packed rows
  op         the cost of an operator call; the products of a linear layer
  cost       how a time grows with a size, beside how it should
`;

export function bench(args: readonly string[]): Promise<number> {
  return runVerb('xinghe bench', verbs, HELP, args);
}
