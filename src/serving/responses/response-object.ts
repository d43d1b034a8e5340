/** The object that a response is, at its beginning and at its end. */
import { randomUUID } from 'node:crypto';
import type { ChatRun } from '../openai/index.js';
import type { ResponsesFields } from './responses-schema.js';

export class ResponseObject {
  readonly #fields: ResponsesFields;
  readonly #run: ChatRun;
  readonly #id = `resp_${randomUUID().replaceAll('-', '')}`;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(fields: ResponsesFields, run: ChatRun) {
    this.#fields = fields;
    this.#run = run;
  }

  begun(): object {
    return { ...this.#head('in_progress'), output: [], usage: null };
  }

  ended(output: readonly object[]): object {
    const isCut = this.#run.finishReason === 'length';
    const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details } = this.#run.usage;
    return {
      ...this.#head(isCut ? 'incomplete' : 'completed'),
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      output,
      usage: {
        input_tokens: prompt_tokens,
        input_tokens_details: { cached_tokens: prompt_tokens_details.cached_tokens },
        output_tokens: completion_tokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens,
      },
    };
  }

  #head(status: string): object {
    const fields = this.#fields;
    return {
      id: this.#id,
      object: 'response',
      created_at: this.#created,
      status,
      background: false,
      error: null,
      incomplete_details: null,
      instructions: fields.instructions ?? null,
      max_output_tokens: fields.max_output_tokens ?? null,
      model: this.#run.model,
      parallel_tool_calls: fields.parallel_tool_calls ?? false,
      previous_response_id: null,
      reasoning: { effort: null, summary: null },
      store: false,
      temperature: fields.temperature ?? null,
      text: { format: fields.text?.format ?? { type: 'text' } },
      tool_choice: fields.tool_choice ?? 'auto',
      tools: fields.tools ?? [],
      top_p: fields.top_p ?? null,
      truncation: 'disabled',
      user: fields.user ?? null,
      metadata: fields.metadata ?? {},
    };
  }
}
