/** `xinghe generate`: continues a prompt, or rows of ids. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readIdsFile } from '../data/index.js';
import { InputError } from '../errors/index.js';
import { type GenerationRequest, generateIds, generateText } from '../generation/index.js';
import { blameWeights, holdsTokenizer, type LoadedModel, loadModelTokenizer } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { loadModelByOptions, modelOptions } from './model-options.js';
import { type OptionValues, parseOptions } from './options.js';
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

type GenerateOptions = OptionValues<typeof specs>;

export async function generate(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe generate',
      summary: 'continue a prompt',
      notes: 'With --input the choices have a text only where there is a tokenizer.',
    },
    specs,
    args,
  );
  if ((options.prompt === undefined) === (options.input === undefined))
    throw new InputError('xinghe generate: give either --prompt TEXT or --input IDS.json');
  if (options.prompt === '')
    throw new InputError('xinghe generate: --prompt is empty; give at least one character');
  const loaded = loadModelByOptions(options);
  const tokenizer = findTokenizer(options, loaded);
  const requests = readRequests(options, loaded, tokenizer);
  const streams = options.prompt !== undefined && !options.json;
  const choices = blameWeights(loaded, options.model, () =>
    tokenizer === undefined
      ? generateIds(loaded.model, requests)
      : generateText(loaded.model, tokenizer, requests, (_, piece) => {
          if (streams) process.stdout.write(piece);
        }),
  );
  if (options.json) {
    const published = choices.map(({ finishReason, ...choice }) => ({
      ...choice,
      finish_reason: finishReason,
    }));
    process.stdout.write(`${JSON.stringify({ choices: published })}\n`);
  } else process.stdout.write(streams ? '\n' : `${choices.map(({ ids }) => ids.join(' ')).join('\n')}\n`);
  return 0;
}

/** Ids can be continued without one. */
function findTokenizer(
  { input, model, tokenizer }: GenerateOptions,
  { architecture }: LoadedModel,
): Tokenizer | undefined {
  const isThere =
    ['tokenizer.json', 'tokenizer.model'].some((name) => existsSync(join(model, name))) ||
    holdsTokenizer(model);
  if (tokenizer === undefined && input !== undefined && !isThere) return undefined;
  return loadModelTokenizer(architecture, tokenizer ?? model);
}

function readRequests(
  options: GenerateOptions,
  { model, architecture }: LoadedModel,
  tokenizer: Tokenizer | undefined,
): GenerationRequest[] {
  const { eosTokenId, vocabSize } = architecture;
  const rows: Pick<GenerationRequest, 'promptIds' | 'attentionMask'>[] = [];
  if (options.input !== undefined) {
    const { inputIds, attentionMask } = readIdsFile(options.input, vocabSize, false);
    for (const [row, promptIds] of inputIds.entries())
      rows.push({ promptIds, attentionMask: attentionMask?.[row] });
  } else rows.push({ promptIds: tokenizer?.encode(options.prompt ?? '', { addSpecialTokens: true }) ?? [] });
  const asked = options['max-new-tokens'];
  return rows.map((row) => {
    // Only a number that was asked for can be too much.
    const room = (model.maxPositions ?? Number.POSITIVE_INFINITY) - row.promptIds.length;
    return {
      ...row,
      maxNewTokens: asked ?? Math.max(1, Math.min(DEFAULT_MAX_NEW_TOKENS, room)),
      sampling: samplingByOptions(options),
      stopTokenIds: options['no-eos'] || eosTokenId === undefined ? [] : [eosTokenId],
    };
  });
}
