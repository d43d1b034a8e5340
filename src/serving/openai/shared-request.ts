/** Fields shared by both completion routes, checked against the model and translated for the engine. */
import { setImmediate } from 'node:timers/promises';
import type { BeamParameters, GrammarSpec, SamplingParameters, TextRequest } from '../../generation/index.js';
import { badRequest } from '../http/index.js';
import type { ServedModel } from '../served-model.js';
import type { TokenizerService } from '../texts/index.js';
import type { Caller, OpenAiContext } from './context.js';
import type { SharedFields } from './fields.js';
import { grammarOf } from './grammar.js';

/** A TextRequest but for its prompt, its length and which sequence it is. */
export type RequestParts = Omit<TextRequest, 'promptIds' | 'maxNewTokens' | 'sequenceIndex' | 'logProbs'>;

/**
 * @param demanded what an answer that calls a tool must follow
 * @throws HttpError 400 naming the field
 */
export async function sharedRequestParts(
  fields: SharedFields,
  caller: Caller,
  context: Pick<OpenAiContext, 'model' | 'texts' | 'allowPriority' | 'sharePrefixes'>,
  adapter: string | undefined,
  demanded?: GrammarSpec,
): Promise<RequestParts> {
  const { model, texts } = context;
  checkCombinations(fields);
  checkPriority(fields, caller, context);
  const formatted = grammarOf(fields);
  if (demanded !== undefined && formatted !== undefined)
    throw badRequest('tool_choice: a demanded call and a response format exclude each other', 'tool_choice');
  const grammar = demanded ?? formatted;
  const { tokenizer } = model;
  for (const field of ['stop_token_ids', 'allowed_token_ids'] as const)
    for (const [index, id] of (fields[field] ?? []).entries()) checkTokenId(model, id, `${field}.${index}`);
  // Behind the end of a grammar nothing else is allowed: it cannot be passed over.
  const ownStops = fields.ignore_eos === true && grammar === undefined ? [] : model.stopTokenIds;
  const stops = [...ownStops, ...(fields.stop_token_ids ?? [])];
  const stop = typeof fields.stop === 'string' ? [fields.stop] : fields.stop;
  const words = await encodedWords(fields.bad_words, texts);
  return {
    sampling: samplingOf(fields, model),
    vocabLimit: tokenizer.vocabSize,
    stopTokenIds: [...new Set(stops)],
    stopStrings: stop === undefined || stop.length === 0 ? undefined : stop,
    includeStopString: fields.include_stop_str_in_output,
    skipSpecialTokens: fields.skip_special_tokens,
    minNewTokens: fields.min_tokens,
    allowedTokenIds: fields.allowed_token_ids,
    forbiddenSequences: words?.filter((ids) => ids.length > 0),
    promptLogProbs: fields.prompt_logprobs,
    grammar,
    beams: beamsOf(fields),
    adapter,
    cacheSalt: cacheSalt(fields.cache_salt, caller, context),
    priority: fields.priority,
    client: caller.client,
  };
}

/** @throws HttpError 400 for who may not go before others */
export function checkPriority(
  { priority = 0 }: Pick<SharedFields, 'priority'>,
  { isAdmin }: Caller,
  { allowPriority }: Pick<OpenAiContext, 'allowPriority'>,
): void {
  if (priority === 0 || allowPriority || isAdmin) return;
  throw badRequest(
    'priority: only with an admin key, or where the server was started with --allow-priority; leave it out',
    'priority',
  );
}

/** A key finds in the cache what was asked with it, and nothing of others. */
export function cacheSalt(
  salt: string | undefined,
  { keyName }: Caller,
  { sharePrefixes }: Pick<OpenAiContext, 'sharePrefixes'>,
): string | undefined {
  return sharePrefixes || keyName === undefined ? salt : JSON.stringify([keyName, salt ?? null]);
}

/** Each alone and behind a space. */
async function encodedWords(
  words: readonly string[] | undefined,
  texts: TokenizerService,
): Promise<(readonly number[])[] | undefined> {
  if (words === undefined) return undefined;
  const encoded: (readonly number[])[] = [];
  for (const word of words) {
    encoded.push(await texts.encode(word, false), await texts.encode(` ${word}`, false));
    await setImmediate();
  }
  return encoded;
}

function beamsOf(fields: SharedFields): BeamParameters | undefined {
  if (fields.use_beam_search !== true) return undefined;
  const choices = fields.n ?? 1;
  return {
    count: Math.max(choices, fields.best_of ?? choices),
    lengthPenalty: fields.length_penalty,
    earlyStopping: fields.early_stopping,
  };
}

/** What stopped a choice, as vLLM says it: null for the model's own ends. */
export function publishedStopReason(
  reason: string | number | undefined,
  fields: SharedFields,
  model: ServedModel,
): string | number | null {
  if (reason === undefined) return null;
  if (typeof reason === 'string' || fields.stop_token_ids?.includes(reason)) return reason;
  return model.stopTokenIds.includes(reason) ? null : reason;
}

/** @throws HttpError 400 for an id beyond the tokenizer's */
export function checkTokenId(model: ServedModel, id: number, param: string): void {
  const { vocabSize } = model.tokenizer;
  if (id >= vocabSize)
    throw badRequest(
      `${param}: token id ${id} is outside the vocabulary; ids go from 0 to ${vocabSize - 1}`,
      param,
    );
}

/** As `checkTokenId` for each of them. */
export function checkTokenIds(model: ServedModel, ids: readonly number[], param: string): void {
  const { vocabSize } = model.tokenizer;
  const index = ids.findIndex((id) => id >= vocabSize);
  if (index >= 0) checkTokenId(model, ids[index] ?? 0, `${param}.${index}`);
}

/** Fields that are right alone and wrong together. */
function checkCombinations(fields: SharedFields): void {
  const isBeams = fields.use_beam_search === true;
  if (fields.stream !== true && fields.stream_options !== undefined)
    throw badRequest('stream_options: only with stream: true', 'stream_options');
  if (fields.stream === true && fields.prompt_logprobs !== undefined)
    throw badRequest('prompt_logprobs: not with stream: true', 'prompt_logprobs');
  if (fields.stream === true && isBeams)
    throw badRequest(
      'use_beam_search: not with stream: true; the best beam is known at the end',
      'use_beam_search',
    );
  if (!isBeams && fields.best_of !== undefined && fields.best_of !== (fields.n ?? 1))
    throw badRequest(
      `best_of: ${fields.best_of} with n ${fields.n ?? 1}; they must be equal unless use_beam_search is true`,
      'best_of',
    );
  if (isBeams && fields.best_of !== undefined && fields.best_of < (fields.n ?? 1))
    throw badRequest(`best_of: ${fields.best_of} beams give no ${fields.n ?? 1} choices`, 'best_of');
  if (isBeams && fields.stop !== undefined && fields.stop.length > 0)
    throw badRequest('stop: not with use_beam_search; give stop_token_ids, or cut the answer', 'stop');
  if (fields.spark_penalty !== undefined && (fields.repetition_penalty ?? 1) !== 1)
    throw badRequest('spark_penalty: not together with repetition_penalty', 'spark_penalty');
}

function samplingOf(fields: SharedFields, { defaults, tokenizer }: ServedModel): SamplingParameters {
  const { spark_penalty: spark, logit_bias: bias, seed } = fields;
  const given: { [Field in keyof SamplingParameters]-?: SamplingParameters[Field] | undefined } = {
    temperature: fields.temperature ?? defaults.temperature ?? 1,
    topP: fields.top_p ?? defaults.topP,
    topK: Math.max(0, fields.top_k ?? defaults.topK ?? 0),
    minP: fields.min_p ?? defaults.minP,
    // A whole number beyond 2^53 is one of 64 bits.
    seed: seed === undefined || Number.isSafeInteger(seed) ? seed : BigInt(seed),
    repetitionPenalty: spark?.value ?? fields.repetition_penalty ?? defaults.repetitionPenalty,
    repetitionPenaltyKind: spark === undefined ? undefined : 'subtractive',
    repetitionPenaltyIncrease: spark?.increase,
    presencePenalty: fields.presence_penalty,
    frequencyPenalty: fields.frequency_penalty,
    logitBias: bias === undefined ? undefined : biasOf(bias, tokenizer.vocabSize),
  };
  return withoutUndefined(given);
}

function biasOf(bias: Readonly<Record<string, number>>, vocabSize: number): Map<number, number> {
  return new Map(
    Object.entries(bias).map(([key, value]) => {
      const id = Number(key);
      if (id < vocabSize) return [id, value];
      const param = `logit_bias.${key}`;
      throw badRequest(
        `${param}: token id ${id} is outside the vocabulary; ids go from 0 to ${vocabSize - 1}`,
        param,
      );
    }),
  );
}

/** Absent and undefined are told apart by the types of those who read the parameters. */
function withoutUndefined(
  given: {
    [Field in keyof SamplingParameters]-?: SamplingParameters[Field] | undefined;
  },
): SamplingParameters {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
