/** Prompts of POST /v1/completions, in each of their four forms, to ids. */
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

/** Characters or ids between which other requests have their turn: a body of 4 MB takes seconds in all. */
const TURN = 8192;

/** @throws HttpError 400 for ids outside the vocabulary, a text that is no token or cannot fit */
export async function completionPrompts(
  fields: CompletionFields,
  context: OpenAiContext,
  signal?: AbortSignal,
): Promise<CompletionPrompt[]> {
  const { prompt } = fields;
  if (typeof prompt === 'string') return [await encoded(prompt, 'prompt', fields, context, signal)];
  if (isIds(prompt)) return [checked(prompt, 'prompt', fields, context)];
  const prompts: CompletionPrompt[] = [];
  let sinceTurn = 0;
  for (const [index, item] of prompt.entries()) {
    const param = `prompt.${index}`;
    prompts.push(
      typeof item === 'string'
        ? await encoded(item, param, fields, context, signal)
        : checked(item, param, fields, context),
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
  fields: CompletionFields,
  { model, engine }: OpenAiContext,
): CompletionPrompt {
  checkTokenIds(model, ids, param);
  return { ids: truncated(ids, fields.truncate_prompt_tokens, engine), text: undefined };
}

async function encoded(
  text: string,
  param: string,
  fields: CompletionFields,
  { model, engine, texts }: OpenAiContext,
  signal: AbortSignal | undefined,
): Promise<CompletionPrompt> {
  if (fields.truncate_prompt_tokens === undefined)
    checkTextLength(text, { maxModelLength: engine.maxModelLength, model }, param);
  const ids = await texts.encode(text, fields.add_special_tokens ?? true, signal);
  if (ids.length === 0)
    throw badRequest(`${param}: the text has no tokens; give at least one character`, param);
  return { ids: truncated(ids, fields.truncate_prompt_tokens, engine), text };
}

/** The last `count` ids; -1: as many as the context holds with one more. */
export function truncated(
  ids: readonly number[],
  count: number | undefined,
  { maxModelLength }: Pick<EngineService, 'maxModelLength'>,
): readonly number[] {
  if (count === undefined || count === 0) return ids;
  return ids.slice(-(count < 0 ? maxModelLength - 1 : count));
}
