/**
 * One answer to a conversation, for APIs that are not OpenAI's chat: they put their body into the fields of
 * /v1/chat/completions and the pieces of the answer into their own form.
 */
import type { RouteRequest, WorkFacts } from '../http/index.js';
import { ChatChoice, type ChatDelta, type ChatFinishReason } from './chat-choice.js';
import { chatPrompt } from './chat-prompt.js';
import { type ChatPlan, planChat } from './chat-request.js';
import { type ChatFields, chatSchema } from './chat-schema.js';
import { ChoiceRun } from './choice-run.js';
import { type Caller, findModel, type OpenAiContext, requireEngine } from './context.js';
import { parseBody } from './parse-body.js';
import { toolMode } from './tool-prompt.js';
import type { Timings, Usage } from './usage.js';

export type ChatMessageAnswer = ChatChoice['message'];

/** Who asks, and who is told what it took. */
export type RunCaller = Caller & Pick<RouteRequest, 'note'>;

export class ChatRun {
  /** The id of the model or adapter that answers. */
  readonly model: string;
  readonly promptTokens: number;
  readonly #run: ChoiceRun;
  readonly #choice: ChatChoice;

  /**
   * @param body as of /v1/chat/completions; its faults name its fields
   * @param route names the route in the log
   * @param defaultTokens as `planChat` takes it
   * @throws HttpError as that route does
   */
  static async plan(
    body: Readonly<Record<string, unknown>>,
    route: string,
    context: OpenAiContext,
    request: RunCaller,
    defaultTokens?: number,
  ): Promise<ChatRun> {
    const fields = parseBody(chatSchema, body, route);
    requireEngine(context);
    const plan = await planChat(fields, request, context, defaultTokens);
    context.observeChoices?.(plan.choices);
    const run = new ChatRun(fields, plan, context);
    request.note(() => run.facts);
    return run;
  }

  private constructor(fields: ChatFields, plan: ChatPlan, context: OpenAiContext) {
    this.model = plan.requested.id;
    this.promptTokens = plan.promptIds.length;
    this.#run = new ChoiceRun(
      { requests: plan.requests, choices: 1, promptTokens: [plan.promptIds.length] },
      fields,
      context,
    );
    this.#choice = new ChatChoice({
      tools: {
        mode: plan.mode,
        names: new Set(fields.tools?.map((tool) => tool.function.name)),
        form: plan.form.calls,
        ...(fields.parallel_tool_calls === false && { maxCalls: 1 }),
      },
      thinking: plan.form.thinking,
      tokens: context.tokens,
      wantsLogProbs: false,
      asTokenIds: false,
    });
  }

  /** @param onDelta each piece of the answer in order. Default: nothing, the whole is wanted */
  async run(signal: AbortSignal, onDelta?: (delta: ChatDelta) => Promise<void> | void): Promise<void> {
    await this.#run.run(signal, async (_, event) => {
      for (const delta of this.#choice.push(event).deltas) await onDelta?.(delta);
    });
  }

  get message(): ChatMessageAnswer {
    return this.#choice.message;
  }

  get finishReason(): ChatFinishReason {
    return this.#choice.finishReason(this.#run.finishReason(0));
  }

  /** The stop string or id, where one of the caller's ended the answer. */
  get stopReason(): string | number | null {
    return this.#run.stopReason(0);
  }

  get usage(): Usage {
    return this.#run.usage;
  }

  get timings(): Timings {
    return this.#run.timings;
  }

  get facts(): WorkFacts {
    return this.#run.facts(this.model);
  }
}

/** How many tokens the prompt of such a body has. @throws HttpError */
export async function chatPromptTokens(
  body: Readonly<Record<string, unknown>>,
  route: string,
  context: OpenAiContext,
  request: RouteRequest,
): Promise<number> {
  const fields = parseBody(chatSchema, body, route);
  findModel(context, fields.model);
  return (await chatPrompt(fields, toolMode(fields), context, request)).ids.length;
}
