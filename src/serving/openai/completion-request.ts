/** A completions body to engine requests. */
import type { TextRequest } from '../../generation/index.js';
import { badRequest } from '../http/index.js';
import { checkMinTokens } from './chat-request.js';
import type { CompletionFields } from './completion-schema.js';
import { type Caller, findModel, type OpenAiContext, type RequestedModel } from './context.js';
import { answerLength } from './context-length.js';
import { type CompletionPrompt, completionPrompts } from './prompt-ids.js';
import { sharedRequestParts } from './shared-request.js';

/** Of OpenAI. */
const DEFAULT_MAX_TOKENS = 16;

export interface CompletionPlan {
  readonly requested: RequestedModel;
  readonly prompts: readonly CompletionPrompt[];
  /** Choices of each prompt. */
  readonly choices: number;
  /** For each prompt in order: one for each choice, or one for all of a beam search. */
  readonly requests: readonly TextRequest[];
  readonly isBeams: boolean;
}

/**
 * @param defaultTokens of a text whose length is not given. Default 16, OpenAI's
 * @throws HttpError 400, 404
 */
export async function planCompletion(
  fields: CompletionFields,
  caller: Caller,
  context: OpenAiContext,
  defaultTokens = DEFAULT_MAX_TOKENS,
): Promise<CompletionPlan> {
  const { engine } = context;
  const requested = findModel(context, fields.model);
  if ((fields.suffix ?? '') !== '')
    throw badRequest('suffix: these models fill no gaps; leave it out', 'suffix');
  const isEcho = fields.echo === true;
  if (fields.max_tokens === 0 && !isEcho && fields.prompt_logprobs === undefined)
    throw badRequest('max_tokens: 0 only with echo: true or prompt_logprobs', 'max_tokens');
  const parts = await sharedRequestParts(fields, caller, context, requested.adapter);
  const choices = fields.n ?? 1;
  const prompts = await completionPrompts(
    fields.prompt,
    { ...fields, field: 'prompt', answer: 1 },
    context,
    caller.signal,
  );
  const echoed = isEcho ? fields.logprobs : undefined;
  const promptLogProbs =
    echoed === undefined ? fields.prompt_logprobs : Math.max(echoed, fields.prompt_logprobs ?? 0);
  const requests = prompts.flatMap(({ ids }, index) => {
    const param = prompts.length === 1 ? 'prompt' : `prompt.${index}`;
    const maxNewTokens = answerLength(
      ids.length,
      fields.max_tokens,
      defaultTokens,
      engine.maxModelLength,
      param,
    );
    checkMinTokens(fields.min_tokens, maxNewTokens);
    const request: TextRequest = {
      ...parts,
      promptIds: ids,
      // A grammar is for a text of its own, from its first character on.
      continuesPrompt: parts.grammar === undefined,
      maxNewTokens,
      logProbs: fields.logprobs,
      promptLogProbs,
    };
    if (parts.beams !== undefined) return [request];
    return Array.from({ length: choices }, (_, sequenceIndex) => ({ ...request, sequenceIndex }));
  });
  return { requested, prompts, choices, requests, isBeams: parts.beams !== undefined };
}
