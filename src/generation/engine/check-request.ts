/** Checks a request before it is queued. */
import { InputError } from '../../errors/index.js';
import { BLOCK_SIZE } from '../../nn/index.js';
import type { GenerationRequest } from '../requests.js';

/** What an engine allows. Plain data: a server asks before a request goes to the engine's process. */
export interface EngineLimits {
  readonly vocabSize: number;
  /** Prompt and answer together. */
  readonly maxLength: number;
  /** Blocks of the pool. */
  readonly blocks: number;
}

export interface RequestLimits extends EngineLimits {
  /** Names of the loaded ones. */
  readonly adapters: readonly string[];
}

/** @throws InputError naming what is wrong, its value and the way out */
export function checkRequest(request: GenerationRequest, limits: RequestLimits): void {
  const { promptIds, attentionMask, maxNewTokens, adapter, beams, pooling } = request;
  const { vocabSize, maxLength } = limits;
  if (promptIds.length === 0)
    throw new InputError('generation: the prompt is empty; give at least one token.');
  const outside = promptIds.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (outside !== undefined)
    throw new InputError(`generation: token ${outside} is outside the vocabulary of 0 to ${vocabSize - 1}.`);
  if (attentionMask !== undefined && attentionMask.length !== promptIds.length)
    throw new InputError(
      `generation: attentionMask has ${attentionMask.length} entries for ${promptIds.length} tokens.`,
    );
  if (attentionMask !== undefined && !attentionMask.some((attended) => attended !== 0))
    throw new InputError('generation: a prompt is nothing but padding.');
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 0)
    throw new InputError(`generation: maxNewTokens is ${maxNewTokens}; give a whole number from 0.`);
  if (promptIds.length + maxNewTokens > maxLength)
    throw new InputError(
      `generation: ${promptIds.length} prompt tokens and ${maxNewTokens} new ones are more than the ${maxLength} ` +
        'that fit; shorten the prompt or ask for less.',
    );
  if (adapter !== undefined && !limits.adapters.includes(adapter))
    throw new InputError(
      `generation: no adapter ${JSON.stringify(adapter)}; loaded: ${limits.adapters.join(', ') || 'none'}.`,
    );
  checkNumbers(request, limits);
  checkIds(request, limits);
  if (pooling !== undefined) checkPooling(request);
  if (beams !== undefined) checkBeams(request, beams.count, limits);
}

function checkNumbers(
  {
    promptIds,
    priority = 0,
    logProbs,
    promptLogProbs,
    promptLogProbsFrom,
    promptLogProbIds,
    vocabLimit,
  }: GenerationRequest,
  { vocabSize }: RequestLimits,
): void {
  const whole = (
    name: keyof GenerationRequest,
    value: number | undefined,
    min: number,
    max: number,
  ): void => {
    if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) return;
    throw new InputError(`generation: ${name} is ${value}; give a whole number from ${min} to ${max}.`);
  };
  whole('logProbs', logProbs, 0, vocabSize);
  whole('promptLogProbs', promptLogProbs, 0, vocabSize);
  whole('promptLogProbsFrom', promptLogProbsFrom, 0, promptIds.length);
  whole('vocabLimit', vocabLimit, 1, Number.MAX_SAFE_INTEGER);
  if (promptLogProbsFrom !== undefined && promptLogProbs === undefined)
    throw new InputError('generation: promptLogProbsFrom without promptLogProbs; give both.');
  if (promptLogProbIds !== undefined && promptLogProbs === undefined)
    throw new InputError('generation: promptLogProbIds without promptLogProbs; give both.');
  if (!Number.isFinite(priority))
    throw new InputError(`generation: priority is ${priority}; give a finite number.`);
}

/** Ids beyond the vocabulary would end the request within a step; stop ids beyond it cannot come and do no harm. */
function checkIds(
  { allowedTokenIds, forbiddenSequences, promptLogProbIds, sampling, vocabLimit }: GenerationRequest,
  { vocabSize }: RequestLimits,
): void {
  const within = (name: string, ids: Iterable<number>): void => {
    for (const id of ids)
      if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize)
        throw new InputError(
          `generation: ${name} has token ${id}; it is outside the vocabulary of 0 to ${vocabSize - 1}.`,
        );
  };
  within('allowedTokenIds', allowedTokenIds ?? []);
  within('promptLogProbIds', promptLogProbIds ?? []);
  within('forbiddenSequences', (forbiddenSequences ?? []).flat());
  within('logitBias', sampling?.logitBias?.keys() ?? []);
  const limit = vocabLimit ?? vocabSize;
  if (allowedTokenIds !== undefined && !allowedTokenIds.some((id) => id < limit))
    throw new InputError(
      `generation: allowedTokenIds has no token below ${limit}, where the tokens end that can be generated.`,
    );
}

/** Nothing is generated: what bears on an answer cannot be honoured. */
function checkPooling(request: GenerationRequest): void {
  const { maxNewTokens, constraint, logProbs, promptLogProbs, beams } = request;
  if (maxNewTokens !== 0)
    throw new InputError(
      `generation: pooling with maxNewTokens ${maxNewTokens}; give 0, for nothing is generated.`,
    );
  for (const [name, value] of Object.entries({ constraint, logProbs, promptLogProbs, beams }))
    if (value !== undefined)
      throw new InputError(`generation: pooling and ${name} exclude each other; leave one out.`);
}

function checkBeams(
  { promptIds, maxNewTokens, constraint, logProbs }: GenerationRequest,
  count: number,
  { blocks }: RequestLimits,
): void {
  if (!Number.isSafeInteger(count) || count < 1)
    throw new InputError(`generation: ${count} beams; give a whole number from 1.`);
  if (constraint !== undefined || logProbs !== undefined)
    throw new InputError(
      'generation: beam search has no structured output and no log-probabilities of its tokens.',
    );
  const prompt = Math.floor(promptIds.length / BLOCK_SIZE);
  const own = Math.ceil((promptIds.length + maxNewTokens) / BLOCK_SIZE) - prompt;
  // One spare block: a new beam copies an open block before the old one is given back.
  if (prompt + (own + 1) * count > blocks)
    throw new InputError(
      `generation: ${count} beams of ${promptIds.length} + ${maxNewTokens} tokens need up to ` +
        `${prompt + (own + 1) * count} blocks, the cache has ${blocks}; ask for fewer beams or tokens, or a larger cache.`,
    );
}
