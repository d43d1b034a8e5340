/** POST /v1/completions, whole and as a stream. Choice k of prompt p has the index p * n + k. */
import type { EventStream, Reply, Route, RouteRequest, WorkFacts } from '../http/index.js';
import { ChoiceRun } from './choice-run.js';
import { CompletionChoice } from './completion-choice.js';
import { type CompletionPlan, planCompletion } from './completion-request.js';
import { type CompletionFields, completionSchema } from './completion-schema.js';
import { type OpenAiContext, requireEngine } from './context.js';
import { promptLogProbs } from './log-probs.js';
import { parseBody } from './parse-body.js';
import type { CompletionPrompt } from './prompt-ids.js';
import { responseBase } from './response-base.js';

const PATH = '/v1/completions';

export function completionsRoute(context: OpenAiContext): Route {
  return {
    method: 'POST',
    path: PATH,
    access: 'key',
    body: 'json',
    docs: {
      summary: 'The continuation of one or several prompts',
      description:
        'Prompts are texts or ids. With echo and logprobs the arrays hold every token of the prompt and of the answer, ' +
        'the first with null, as lm-evaluation-harness reads them; max_tokens may then be 0.',
      tag: 'OpenAI',
      request: completionSchema,
      example: { prompt: '你好', max_tokens: 8 },
      isStream: true,
      errors: [404],
    },
    handler: async (request, reply) => {
      const fields = parseBody(completionSchema, request.body, PATH);
      requireEngine(context);
      const plan = await planCompletion(fields, request, context);
      context.observeChoices?.(plan.choices);
      const answer = new CompletionAnswer(fields, plan, context);
      request.note(() => answer.facts);
      await (fields.stream === true
        ? answer.stream(request, reply.eventStream())
        : answer.whole(request, reply));
    },
  };
}

class CompletionAnswer {
  readonly #fields: CompletionFields;
  readonly #plan: CompletionPlan;
  readonly #context: OpenAiContext;
  readonly #choices: readonly CompletionChoice[];
  readonly #run: ChoiceRun;

  constructor(fields: CompletionFields, plan: CompletionPlan, context: OpenAiContext) {
    this.#fields = fields;
    this.#plan = plan;
    this.#context = context;
    const { prompts, choices } = plan;
    const choice = (prompt: CompletionPrompt): CompletionChoice =>
      new CompletionChoice({
        prompt,
        tokenizer: context.model.tokenizer,
        tokens: context.tokens,
        isEcho: fields.echo === true,
        continuesPrompt: plan.requests[0]?.continuesPrompt ?? false,
        // The beams of a search have none.
        logProbs: plan.isBeams ? undefined : fields.logprobs,
        skipSpecialTokens: fields.skip_special_tokens ?? true,
        asTokenIds: fields.return_tokens_as_token_ids ?? false,
      });
    this.#choices = prompts.flatMap((prompt) => Array.from({ length: choices }, () => choice(prompt)));
    const promptTokens = prompts.map(({ ids }) => ids.length);
    this.#run = new ChoiceRun({ requests: plan.requests, choices, promptTokens }, fields, context);
  }

  get facts(): WorkFacts {
    return this.#run.facts(this.#plan.requested.id);
  }

  async whole({ signal }: RouteRequest, reply: Reply): Promise<void> {
    await this.#run.run(signal, (index, event) => {
      this.#choices[index]?.push(event);
    });
    const wantsIds = this.#fields.return_token_ids === true;
    const { tokens } = this.#context;
    reply.json(200, {
      ...responseBase('cmpl', 'text_completion', this.#plan.requested, this.#context),
      choices: this.#choices.map((choice, index) => ({
        index,
        text: choice.text,
        logprobs: choice.logProbs,
        ...this.#finish(index),
        ...(this.#fields.prompt_logprobs !== undefined && {
          prompt_logprobs: promptLogProbs(choice.promptLogProbs ?? [], tokens),
        }),
        ...(wantsIds && { token_ids: choice.ids, prompt_token_ids: this.#prompt(index)?.ids }),
      })),
      usage: this.#run.usage,
      timings: this.#run.timings,
    });
  }

  async stream({ signal }: RouteRequest, stream: EventStream): Promise<void> {
    const { stream_options: options, return_token_ids: wantsIds } = this.#fields;
    const head = responseBase('cmpl', 'text_completion', this.#plan.requested, this.#context);
    const begun = new Set<number>();
    const run = this.#run;
    await run.run(signal, async (index, event) => {
      const piece = this.#choices[index]?.push(event);
      if (piece === undefined) return;
      const isFirst = !begun.has(index);
      begun.add(index);
      const hasTokens = piece.logProbs !== null && piece.logProbs.tokens.length > 0;
      const isSilent = piece.text === '' && !hasTokens && !(wantsIds === true && event.ids.length > 0);
      if (event.end === undefined && isSilent) return;
      await stream.send({
        ...head,
        choices: [
          {
            index,
            text: piece.text,
            logprobs: hasTokens ? piece.logProbs : null,
            ...(event.end === undefined ? { finish_reason: null, stop_reason: null } : this.#finish(index)),
            ...(wantsIds === true && { token_ids: event.ids }),
            ...(wantsIds === true && isFirst && { prompt_token_ids: this.#prompt(index)?.ids }),
          },
        ],
        ...run.chunkUsage(index),
        // As llama.cpp does: with the last chunk that has a choice.
        ...(run.open === 0 && { timings: run.timings }),
      });
    });
    if (options?.include_usage === true) await stream.send({ ...head, choices: [], usage: run.usage });
    await stream.end();
  }

  #prompt(index: number): CompletionPrompt | undefined {
    return this.#plan.prompts[Math.floor(index / this.#plan.choices)];
  }

  #finish(index: number): object {
    return { finish_reason: this.#run.finishReason(index), stop_reason: this.#run.stopReason(index) };
  }
}
