/** POST /v1/chat/completions, whole and as a stream. */
import type { TextEvent } from '../../generation/index.js';
import type { EventStream, Reply, Route, RouteRequest, WorkFacts } from '../http/index.js';
import { ChatChoice, type ChatChoiceOptions, type ChatDelta } from './chat-choice.js';
import { type ChatPlan, planChat } from './chat-request.js';
import { type ChatFields, chatSchema } from './chat-schema.js';
import { ChoiceRun } from './choice-run.js';
import { type OpenAiContext, requireEngine } from './context.js';
import { type ChatLogProbs, promptLogProbs } from './log-probs.js';
import { parseBody } from './parse-body.js';
import { responseBase } from './response-base.js';

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
        'tool_choice required or a named function the answer is held to the schema; with auto it is free text, and what ' +
        'follows a <tool_call> in it is a call. finish_reason length may leave JSON unfinished.',
      tag: 'OpenAI',
      request: chatSchema,
      example: { messages: [{ role: 'user', content: '你好' }], max_tokens: 8 },
      isStream: true,
      errors: [404, 422],
    },
    handler: async (request, reply) => {
      const fields = parseBody(chatSchema, request.body, PATH);
      requireEngine(context);
      const plan = await planChat(fields, request, context);
      context.observeChoices?.(plan.choices);
      const answer = new ChatAnswer(fields, plan, context);
      request.note(() => answer.facts);
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
  readonly #run: ChoiceRun;

  constructor(fields: ChatFields, plan: ChatPlan, context: OpenAiContext) {
    this.#fields = fields;
    this.#plan = plan;
    this.#context = context;
    const options: ChatChoiceOptions = {
      tools: {
        mode: plan.mode,
        names: new Set(fields.tools?.map((tool) => tool.function.name)),
        form: plan.form.calls,
        ...(fields.parallel_tool_calls === false && { maxCalls: 1 }),
      },
      thinking: plan.form.thinking,
      tokens: context.tokens,
      wantsLogProbs: plan.wantsLogProbs,
      asTokenIds: fields.return_tokens_as_token_ids ?? false,
    };
    this.#choices = Array.from({ length: plan.choices }, () => new ChatChoice(options));
    const { requests, choices, promptIds } = plan;
    this.#run = new ChoiceRun({ requests, choices, promptTokens: [promptIds.length] }, fields, context);
  }

  get facts(): WorkFacts {
    return this.#run.facts(this.#plan.requested.id);
  }

  async whole({ signal }: RouteRequest, reply: Reply): Promise<void> {
    let ofPrompt: TextEvent['promptLogProbs'];
    await this.#run.run(signal, (index, event) => {
      ofPrompt ??= event.promptLogProbs;
      this.#choices[index]?.push(event);
    });
    const { requested, promptIds } = this.#plan;
    const wantsIds = this.#fields.return_token_ids === true;
    reply.json(200, {
      ...responseBase('chatcmpl', 'chat.completion', requested, this.#context),
      choices: this.#choices.map((choice, index) => ({
        index,
        message: choice.message,
        logprobs: choice.logProbs,
        ...this.#finish(index),
        ...(wantsIds && { token_ids: choice.ids }),
      })),
      usage: this.#run.usage,
      timings: this.#run.timings,
      ...(ofPrompt !== undefined && { prompt_logprobs: promptLogProbs(ofPrompt, this.#context.tokens) }),
      ...(wantsIds && { prompt_token_ids: promptIds }),
    });
  }

  async stream({ signal }: RouteRequest, stream: EventStream): Promise<void> {
    const { stream_options: options, return_token_ids: wantsIds } = this.#fields;
    const { requested, promptIds } = this.#plan;
    const run = this.#run;
    const head = responseBase('chatcmpl', 'chat.completion.chunk', requested, this.#context);
    const begun = new Set<number>();
    const send = (index: number, delta: ChatDelta, rest: object = {}, top: object = {}): Promise<void> =>
      stream.send({
        ...head,
        ...top,
        choices: [{ index, delta, logprobs: null, finish_reason: null, ...rest }],
        ...run.chunkUsage(index),
      });
    await run.run(signal, async (index, event) => {
      if (!begun.has(index)) {
        begun.add(index);
        const top = wantsIds === true ? { prompt_token_ids: promptIds } : {};
        await send(index, { role: 'assistant', content: '' }, {}, top);
      }
      const { deltas, logProbs } = this.#choices[index]?.push(event) ?? { deltas: [], logProbs: [] };
      const ids = wantsIds === true && event.ids.length > 0 ? { token_ids: event.ids } : {};
      for (const [number, delta] of withRest(deltas, logProbs, ids).entries())
        await send(index, delta, number === 0 ? { logprobs: logProbsField(logProbs), ...ids } : {});
      // As llama.cpp does: the times come with the last chunk that has a choice.
      if (event.end !== undefined)
        await send(index, {}, this.#finish(index), run.open === 0 ? { timings: run.timings } : {});
    });
    if (options?.include_usage === true) await stream.send({ ...head, choices: [], usage: run.usage });
    await stream.end();
  }

  #finish(index: number): object {
    return {
      finish_reason: this.#choices[index]?.finishReason(this.#run.finishReason(index)),
      stop_reason: this.#run.stopReason(index),
    };
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
