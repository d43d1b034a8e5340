/** One continuation of one prompt, for callers that are not HTTP: the fields of /v1/completions, the text in pieces. */
import type { FinishReason } from '../../generation/index.js';
import type { RunCaller } from './chat-run.js';
import { ChoiceRun } from './choice-run.js';
import { type CompletionPlan, planCompletion } from './completion-request.js';
import { type CompletionFields, completionSchema } from './completion-schema.js';
import { type OpenAiContext, requireEngine } from './context.js';
import { parseBody } from './parse-body.js';
import type { Usage } from './usage.js';

export class CompletionRun {
  readonly #run: ChoiceRun;
  #text = '';

  /**
   * @param body as of /v1/completions, with one prompt; its faults name its fields
   * @param route names the caller in the log
   * @param defaultTokens as `planCompletion` takes it
   * @throws HttpError as that route does
   */
  static async plan(
    body: Readonly<Record<string, unknown>>,
    route: string,
    context: OpenAiContext,
    caller: RunCaller,
    defaultTokens?: number,
  ): Promise<CompletionRun> {
    const fields = parseBody(completionSchema, body, route);
    requireEngine(context);
    const plan = await planCompletion(fields, caller, context, defaultTokens);
    context.observeChoices?.(plan.choices);
    const run = new CompletionRun(fields, plan, context);
    caller.note(() => run.#run.facts(plan.requested.id));
    return run;
  }

  private constructor(fields: CompletionFields, plan: CompletionPlan, context: OpenAiContext) {
    const promptTokens = plan.prompts.map(({ ids }) => ids.length);
    this.#run = new ChoiceRun({ requests: plan.requests, choices: 1, promptTokens }, fields, context);
  }

  /** @param onText each piece of the text in order. Default: nothing, the whole is wanted */
  async run(signal: AbortSignal, onText?: (piece: string) => Promise<void> | void): Promise<void> {
    await this.#run.run(signal, async (_, { text }) => {
      if (text === '') return;
      this.#text += text;
      await onText?.(text);
    });
  }

  get text(): string {
    return this.#text;
  }

  get finishReason(): FinishReason {
    return this.#run.finishReason(0);
  }

  get usage(): Usage {
    return this.#run.usage;
  }
}
