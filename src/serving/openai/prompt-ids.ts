/** Prompts of POST /v1/completions and inputs of /v1/embeddings, in each of their four forms, to ids. */
import { setImmediate } from 'node:timers/promises';
import type { EngineService } from '../engine-service.js';
import { badRequest } from '../http/index.js';
import type { CompletionFields } from './completion-schema.js';
import type { OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import { checkTokenIds } from './shared-request.js';

export interface CompletionPrompt {
  readonly ids: readonly number[];
  /** As it was given; undefined where ids were. */
  readonly text: string | undefined;
}

export type Prompts = CompletionFields['prompt'];

export interface PromptOptions
  extends Pick<CompletionFields, 'add_special_tokens' | 'truncate_prompt_tokens'> {
  /** Where the prompts stand in the body. */
  readonly field: 'prompt' | 'input';
  /** Tokens that have to fit behind a prompt. */
  readonly answer: 0 | 1;
}

/** Characters or ids between which other requests have their turn: a body of 4 MB takes seconds in all. */
const TURN = 8192;

/** @throws HttpError 400 for ids outside the vocabulary, a text that is no token or cannot fit */
export async function completionPrompts(
  prompt: Prompts,
  options: PromptOptions,
  context: OpenAiContext,
  signal?: AbortSignal,
): Promise<CompletionPrompt[]> {
  const { field } = options;
  if (typeof prompt === 'string') return [await encoded(prompt, field, options, context, signal)];
  if (isIds(prompt)) return [checked(prompt, field, options, context)];
  const prompts: CompletionPrompt[] = [];
  let sinceTurn = 0;
  for (const [index, item] of prompt.entries()) {
    const param = `${field}.${index}`;
    prompts.push(
      typeof item === 'string'
        ? await encoded(item, param, options, context, signal)
        : checked(item, param, options, context),
    );
    sinceTurn += item.length;
    if (sinceTurn < TURN) continue;
    sinceTurn = 0;
    await setImmediate();
  }
  return prompts;
}

function isIds(prompt: readonly unknown[]): prompt is number[] {
  return typeof prompt[0] === 'number';
}

/** Nothing is added to ids: they are what the client means. */
function checked(
  ids: readonly number[],
  param: string,
  options: PromptOptions,
  { model, engine }: OpenAiContext,
): CompletionPrompt {
  checkTokenIds(model, ids, param);
  return { ids: truncated(ids, options.truncate_prompt_tokens, engine, options.answer), text: undefined };
}

async function encoded(
  text: string,
  param: string,
  options: PromptOptions,
  { model, engine, texts }: OpenAiContext,
  signal: AbortSignal | undefined,
): Promise<CompletionPrompt> {
  if (options.truncate_prompt_tokens === undefined)
    checkTextLength(text, { maxModelLength: engine.maxModelLength, model }, param);
  const ids = await texts.encode(text, options.add_special_tokens ?? true, signal);
  if (ids.length === 0)
    throw badRequest(`${param}: the text has no tokens; give at least one character`, param);
  return { ids: truncated(ids, options.truncate_prompt_tokens, engine, options.answer), text };
}

/** The last `count` ids; -1: as many as the context holds with an answer of `answer` tokens. */
export function truncated(
  ids: readonly number[],
  count: number | undefined,
  { maxModelLength }: Pick<EngineService, 'maxModelLength'>,
  answer = 1,
): readonly number[] {
  if (count === undefined || count === 0) return ids;
  return ids.slice(-(count < 0 ? maxModelLength - answer : count));
}
