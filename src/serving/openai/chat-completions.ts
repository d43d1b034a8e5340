/** POST /v1/chat/completions, whole and as a stream. */
import type { SequenceEnd, TextEvent, TokenLogProbs } from '../../generation/index.js';
import type { EventStream, Reply, Route, RouteRequest } from '../http/index.js';
import { answerHead } from './answer-head.js';
import { ChatChoice, type ChatDelta } from './chat-choice.js';
import { type ChatPlan, planChat } from './chat-request.js';
import { type ChatFields, chatSchema } from './chat-schema.js';
import type { OpenAiContext } from './context.js';
import { type ChatLogProbs, promptLogProbs } from './log-probs.js';
import { parseBody } from './parse-body.js';
import { runSequences } from './run-sequences.js';
import { publishedStopReason } from './shared-request.js';
import { UsageMeter } from './usage.js';

const PATH = '/v1/chat/completions';

export function chatCompletionsRoute(context: OpenAiContext): Route {
  return {
    method: 'POST',
    path: PATH,
    access: 'key',
    body: 'json',
    docs: {
      summary: 'An answer to a conversation',
      description:
        "The conversation is rendered in the model family's own chat format. Tools work by prompt and schema: with " +
        'tool_choice required or a named function the answer is held to the schema; with auto it is free text unless ' +
        'it begins with <tool_call>. finish_reason length may leave JSON unfinished.',
      tag: 'OpenAI',
      request: chatSchema,
      example: { messages: [{ role: 'user', content: '你好' }], max_tokens: 8 },
      isStream: true,
      errors: [404, 422],
    },
    handler: async (request, reply) => {
      const fields = parseBody(chatSchema, request.body, PATH);
      const plan = await planChat(fields, context);
      context.observeChoices?.(plan.choices);
      const answer = new ChatAnswer(fields, plan, context);
      await (fields.stream === true
        ? answer.stream(request, reply.eventStream())
        : answer.whole(request, reply));
    },
  };
}

class ChatAnswer {
  readonly #fields: ChatFields;
  readonly #plan: ChatPlan;
  readonly #context: OpenAiContext;
  readonly #choices: readonly ChatChoice[];
  readonly #ends: (SequenceEnd | undefined)[];
  readonly #meter: UsageMeter;
  #promptLogProbs: readonly (TokenLogProbs | null)[] | undefined;

  constructor(fields: ChatFields, plan: ChatPlan, context: OpenAiContext) {
    this.#fields = fields;
    this.#plan = plan;
    this.#context = context;
    this.#choices = Array.from(
      { length: plan.choices },
      () =>
        new ChatChoice({
          tools: {
            mode: plan.mode,
            names: new Set(fields.tools?.map((tool) => tool.function.name)),
            ...(fields.parallel_tool_calls === false && { maxCalls: 1 }),
          },
          tokens: context.tokens,
          wantsLogProbs: plan.wantsLogProbs,
          asTokenIds: fields.return_tokens_as_token_ids ?? false,
        }),
    );
    this.#ends = this.#choices.map(() => undefined);
    this.#meter = new UsageMeter([plan.promptIds.length], plan.choices);
  }

  async whole(request: RouteRequest, reply: Reply): Promise<void> {
    await this.#run(request, (index, event) => {
      this.#promptLogProbs ??= event.promptLogProbs;
      this.#choices[index]?.push(event);
    });
    const { requested, promptIds } = this.#plan;
    const wantsIds = this.#fields.return_token_ids === true;
    reply.json(200, {
      ...answerHead('chatcmpl', 'chat.completion', requested, this.#context),
      choices: this.#choices.map((choice, index) => ({
        index,
        message: choice.message,
        logprobs: choice.logProbs,
        ...this.#finish(index),
        ...(wantsIds && { token_ids: choice.ids }),
      })),
      usage: this.#meter.usage,
      timings: this.#meter.timings,
      ...(this.#promptLogProbs !== undefined && {
        prompt_logprobs: promptLogProbs(this.#promptLogProbs, this.#context.tokens),
      }),
      ...(wantsIds && { prompt_token_ids: promptIds }),
    });
  }

  async stream(request: RouteRequest, stream: EventStream): Promise<void> {
    const { stream_options: options, return_token_ids: wantsIds } = this.#fields;
    const { requested, promptIds, choices } = this.#plan;
    const head = answerHead('chatcmpl', 'chat.completion.chunk', requested, this.#context);
    const begun = new Set<number>();
    let open = choices;
    const send = (index: number, delta: ChatDelta, rest: object = {}, top: object = {}): Promise<void> =>
      stream.send({
        ...head,
        ...top,
        choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
        ...this.#usageField(index),
      });
    await this.#run(request, async (index, event) => {
      if (!begun.has(index)) {
        begun.add(index);
        const top = wantsIds === true ? { prompt_token_ids: promptIds } : {};
        await send(index, { role: 'assistant', content: '' }, {}, top);
      }
      const { deltas, logProbs } = this.#choices[index]?.push(event) ?? { deltas: [], logProbs: [] };
      const ids = wantsIds === true && event.ids.length > 0 ? { token_ids: event.ids } : {};
      for (const [place, delta] of withRest(deltas, logProbs, ids).entries())
        await send(index, delta, place === 0 ? { logprobs: logProbsField(logProbs), ...ids } : {});
      if (event.end === undefined) return;
      open -= 1;
      // As llama.cpp does: with the last chunk that has a choice.
      await send(index, {}, this.#finish(index), open === 0 ? { timings: this.#meter.timings } : {});
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
    await runSequences(this.#plan.requests, {
      engine,
      maxSequences,
      signal,
      onEvent: async (index, event) => {
        if (event.beams === undefined) {
          this.#note(index, event);
          await onEvent(index, event);
          return;
        }
        for (const [place, { text, ids, finishReason }] of event.beams
          .slice(0, this.#plan.choices)
          .entries()) {
          const end = event.end && { ...event.end, finishReason, generatedTokens: ids.length };
          const choice: TextEvent = { text, ids, end, promptLogProbs: event.promptLogProbs };
          this.#note(place, choice);
          await onEvent(place, choice);
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

  #finish(index: number): object {
    const end = this.#ends[index];
    return {
      finish_reason: this.#choices[index]?.finishReason(end?.finishReason ?? 'length'),
      stop_reason: publishedStopReason(end?.stopReason, this.#fields, this.#context.model),
    };
  }

  #usageField(index: number): object {
    const options = this.#fields.stream_options;
    if (options?.continuous_usage_stats === true) return { usage: this.#meter.usageOf(index) };
    return options?.include_usage === true ? { usage: null } : {};
  }
}

/** Tokens whose text is still held back have a chunk all the same, for their log-probabilities and ids. */
function withRest(
  deltas: readonly ChatDelta[],
  logProbs: readonly ChatLogProbs[],
  ids: object,
): readonly ChatDelta[] {
  const hasMore = logProbs.length > 0 || Object.keys(ids).length > 0;
  return deltas.length === 0 && hasMore ? [{ content: '' }] : deltas;
}

function logProbsField(content: readonly ChatLogProbs[]): object | null {
  return content.length === 0 ? null : { content };
}
