/** A chat body to engine requests. */
import type { TextRequest } from '../../generation/index.js';
import { badRequest } from '../http/index.js';
import type { AnswerForm } from './answer-form.js';
import { chatPrompt } from './chat-prompt.js';
import type { ChatFields } from './chat-schema.js';
import { type Caller, findModel, type OpenAiContext, type RequestedModel } from './context.js';
import { answerLength } from './context-length.js';
import { checkSize } from './grammar.js';
import { truncated } from './prompt-ids.js';
import { sharedRequestParts } from './shared-request.js';
import { type ToolMode, toolGrammar, toolMode } from './tool-prompt.js';

export interface ChatPlan {
  readonly requested: RequestedModel;
  readonly promptIds: readonly number[];
  /** One for each choice, or one for all of a beam search. */
  readonly requests: readonly TextRequest[];
  readonly choices: number;
  readonly mode: ToolMode;
  readonly form: AnswerForm;
  readonly wantsLogProbs: boolean;
}

/**
 * @param defaultTokens of an answer whose length is not given. Default: as many as there is room for
 * @throws HttpError 400, 404, 422
 */
export async function planChat(
  fields: ChatFields,
  caller: Caller,
  context: OpenAiContext,
  defaultTokens = Number.POSITIVE_INFINITY,
): Promise<ChatPlan> {
  const { engine } = context;
  const requested = findModel(context, fields.model);
  if (fields.top_logprobs !== undefined && fields.logprobs !== true)
    throw badRequest('top_logprobs: needs logprobs: true', 'top_logprobs');
  const mode = toolMode(fields);
  const demanded = checkSize(toolGrammar(fields, mode), 'tools');
  const parts = await sharedRequestParts(fields, caller, context, requested.adapter, demanded);
  const prompt = await chatPrompt(fields, mode, context, caller);
  const promptIds = truncated(prompt.ids, fields.truncate_prompt_tokens, engine);
  // An answer that is held to a form begins with it.
  const form: AnswerForm = parts.grammar === undefined ? prompt.form : { ...prompt.form, thinking: 'none' };
  const maxNewTokens = answerLength(
    promptIds.length,
    fields.max_completion_tokens ?? fields.max_tokens,
    defaultTokens,
    engine.maxModelLength,
    'messages',
  );
  checkMinTokens(fields.min_tokens, maxNewTokens);
  const choices = fields.n ?? 1;
  const request: TextRequest = {
    ...parts,
    skipSpecialTokens: parts.skipSpecialTokens ?? (keepsMarks(mode, form) ? false : undefined),
    promptIds,
    maxNewTokens,
    logProbs: fields.logprobs === true ? (fields.top_logprobs ?? 0) : undefined,
  };
  const requests =
    parts.beams === undefined
      ? Array.from({ length: choices }, (_, sequenceIndex) => ({
          ...request,
          sequenceIndex,
          // The same for all.
          promptLogProbs: sequenceIndex === 0 ? request.promptLogProbs : undefined,
        }))
      : [request];
  return { requested, promptIds, requests, choices, mode, form, wantsLogProbs: fields.logprobs === true };
}

/** Calls are read by marks that are control tokens. */
function keepsMarks({ kind }: ToolMode, { calls }: AnswerForm): boolean {
  return kind === 'auto' && calls?.keepsMarks === true;
}

export function checkMinTokens(minTokens: number | undefined, maxTokens: number): void {
  if (minTokens !== undefined && minTokens > maxTokens)
    throw badRequest(`min_tokens: ${minTokens} is more than the answer may have, ${maxTokens}`, 'min_tokens');
}
