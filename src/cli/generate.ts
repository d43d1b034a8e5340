/** `xinghe generate`: continues a prompt, or rows of ids. */

import { readIdsFile } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { type GenerationRequest, generateIds, generateText } from '../generation/index.js';
import { loadModelByOptions, loadTokenizerFor, modelOptions } from './model-options.js';
import { parseOptions } from './options.js';
import { DEFAULT_MAX_NEW_TOKENS, samplingByOptions, samplingOptions } from './sampling-options.js';

const specs = {
  ...modelOptions,
  tokenizer: { kind: 'string', value: 'PATH', help: 'default: the one in the model folder' },
  prompt: { kind: 'string', value: 'TEXT', help: 'the text to continue' },
  input: { kind: 'string', value: 'IDS.json', help: 'rows of ids to continue; needs no tokenizer' },
  ...samplingOptions,
  'no-eos': { kind: 'flag', help: 'do not stop at the end token' },
  json: { kind: 'flag', help: 'print {"choices": [{"ids", "text", "finish_reason"}]} on stdout' },
} as const;

export async function generate(args: readonly string[]): Promise<number> {
  const options = parseOptions({ command: 'xinghe generate', summary: 'continue a prompt' }, specs, args);
  if ((options.prompt === undefined) === (options.input === undefined))
    throw new InputError('xinghe generate: give either --prompt TEXT or --input IDS.json');
  if (options.prompt === '')
    throw new InputError('xinghe generate: --prompt is empty; give at least one character');
  const loaded = loadModelByOptions(options);
  const { model, architecture } = loaded;
  const eos = architecture.eosTokenId;
  const shared = {
    maxNewTokens: options['max-new-tokens'] ?? DEFAULT_MAX_NEW_TOKENS,
    sampling: samplingByOptions(options),
    stopTokenIds: options['no-eos'] || eos === undefined ? [] : [eos],
  };
  if (options.input !== undefined) {
    const { inputIds, attentionMask } = readIdsFile(options.input, architecture.vocabSize, false);
    const requests = inputIds.map(
      (promptIds, row): GenerationRequest => ({ promptIds, attentionMask: attentionMask?.[row], ...shared }),
    );
    const results = generateIds(model, requests);
    const choices = results.map(({ ids, finishReason }) => ({ ids, finish_reason: finishReason }));
    process.stdout.write(
      `${options.json ? JSON.stringify({ choices }) : choices.map(({ ids }) => ids.join(' ')).join('\n')}\n`,
    );
    return 0;
  }
  const tokenizer = loadTokenizerFor(options.model, loaded, options.tokenizer);
  const promptIds = tokenizer.encode(options.prompt ?? '', { addSpecialTokens: true });
  const results = generateText(model, tokenizer, [{ promptIds, ...shared }], (_, piece) => {
    if (!options.json) process.stdout.write(piece);
  });
  if (options.json) {
    const choices = results.map(({ ids, text, finishReason }) => ({
      ids,
      text,
      finish_reason: finishReason,
    }));
    process.stdout.write(`${JSON.stringify({ choices })}\n`);
  } else process.stdout.write('\n');
  return 0;
}
