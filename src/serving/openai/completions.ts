/** POST /v1/completions, whole and as a stream. Choice k of prompt p has the index p * n + k. */
import type { SequenceEnd, TextEvent } from '../../generation/index.js';
import type { EventStream, Reply, Route, RouteRequest } from '../http/index.js';
import { answerHead } from './answer-head.js';
import { CompletionChoice } from './completion-choice.js';
import { type CompletionPlan, planCompletion } from './completion-request.js';
import { type CompletionFields, completionSchema } from './completion-schema.js';
import type { OpenAiContext } from './context.js';
import { promptLogProbs } from './log-probs.js';
import { parseBody } from './parse-body.js';
import type { CompletionPrompt } from './prompt-ids.js';
import { runSequences } from './run-sequences.js';
import { publishedStopReason } from './shared-request.js';
import { UsageMeter } from './usage.js';

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
      const plan = planCompletion(fields, context);
      context.observeChoices?.(plan.choices);
      const answer = new CompletionAnswer(fields, plan, context);
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
  readonly #ends: (SequenceEnd | undefined)[];
  readonly #meter: UsageMeter;

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
        // The beams of a search have none.
        logProbs: plan.isBeams ? undefined : fields.logprobs,
        skipSpecialTokens: fields.skip_special_tokens ?? true,
        asTokenIds: fields.return_tokens_as_token_ids ?? false,
      });
    this.#choices = prompts.flatMap((prompt) => Array.from({ length: choices }, () => choice(prompt)));
    this.#ends = this.#choices.map(() => undefined);
    this.#meter = new UsageMeter(
      prompts.map(({ ids }) => ids.length),
      choices,
    );
  }

  async whole(request: RouteRequest, reply: Reply): Promise<void> {
    await this.#run(request, (index, event) => {
      this.#choices[index]?.push(event);
    });
    const wantsIds = this.#fields.return_token_ids === true;
    const { tokens } = this.#context;
    reply.json(200, {
      ...answerHead('cmpl', 'text_completion', this.#plan.requested, this.#context),
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
      usage: this.#meter.usage,
      timings: this.#meter.timings,
    });
  }

  async stream(request: RouteRequest, stream: EventStream): Promise<void> {
    const { stream_options: options, return_token_ids: wantsIds } = this.#fields;
    const head = answerHead('cmpl', 'text_completion', this.#plan.requested, this.#context);
    const begun = new Set<number>();
    let open = this.#choices.length;
    await this.#run(request, async (index, event) => {
      const piece = this.#choices[index]?.push(event);
      if (piece === undefined) return;
      const isFirst = !begun.has(index);
      begun.add(index);
      const hasTokens = piece.logProbs !== null && piece.logProbs.tokens.length > 0;
      const isSilent = piece.text === '' && !hasTokens && !(wantsIds === true && event.ids.length > 0);
      if (event.end === undefined && isSilent) return;
      if (event.end !== undefined) open -= 1;
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
        ...this.#usageField(index),
        // As llama.cpp does: with the last chunk that has a choice.
        ...(open === 0 && { timings: this.#meter.timings }),
      });
    });
    if (options?.include_usage === true)
      await stream.send({ ...head, choices: [], usage: this.#meter.usage });
    await stream.end();
  }

  /** Runs all choices; those of a beam search come at once, at its end. */
  async #run(
    { signal }: RouteRequest,
    onEvent: (index: number, event: TextEvent) => Promise<void> | void,
  ): Promise<void> {
    const { engine, maxSequences } = this.#context;
    const { requests, choices } = this.#plan;
    await runSequences(requests, {
      engine,
      maxSequences,
      signal,
      onEvent: async (index, event) => {
        if (event.beams === undefined) {
          this.#note(index, event);
          await onEvent(index, event);
          return;
        }
        for (const [place, { text, ids, finishReason }] of event.beams.slice(0, choices).entries()) {
          const end = event.end && { ...event.end, finishReason, generatedTokens: ids.length };
          const choice: TextEvent = { text, ids, end, promptLogProbs: event.promptLogProbs };
          this.#note(index * choices + place, choice);
          await onEvent(index * choices + place, choice);
        }
      },
    });
  }

  #note(index: number, { ids, end }: TextEvent): void {
    this.#meter.generated(index, ids.length);
    if (end === undefined) return;
    this.#meter.ended(index, end);
    this.#ends[index] = end;
  }

  #prompt(index: number): CompletionPrompt | undefined {
    return this.#plan.prompts[Math.floor(index / this.#plan.choices)];
  }

  #finish(index: number): object {
    const end = this.#ends[index];
    return {
      finish_reason: end?.finishReason ?? 'length',
      stop_reason: publishedStopReason(end?.stopReason, this.#fields, this.#context.model),
    };
  }

  #usageField(index: number): object {
    const options = this.#fields.stream_options;
    if (options?.continuous_usage_stats === true) return { usage: this.#meter.usageOf(index) };
    return options?.include_usage === true ? { usage: null } : {};
  }
}
