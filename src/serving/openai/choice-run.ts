/** Runs the choices of a request: events by choice, finish reasons, usage. */
import type { FinishReason, SequenceEnd, TextEvent, TextRequest } from '../../generation/index.js';
import type { WorkFacts } from '../http/index.js';
import type { OpenAiContext } from './context.js';
import type { SharedFields } from './fields.js';
import { runSequences } from './run-sequences.js';
import { publishedStopReason } from './shared-request.js';
import { type Timings, type Usage, UsageMeter } from './usage.js';

export interface ChoiceRunOptions {
  /** In order of the prompts: one for each choice, or one for all beams of a prompt. */
  readonly requests: readonly TextRequest[];
  /** Of each prompt. */
  readonly promptTokens: readonly number[];
  /** Of each prompt. */
  readonly choices: number;
}

export class ChoiceRun {
  /** Choices that have not ended. */
  open: number;
  readonly #options: ChoiceRunOptions;
  readonly #fields: SharedFields;
  readonly #context: OpenAiContext;
  readonly #ends: (SequenceEnd | undefined)[];
  readonly #meter: UsageMeter;
  readonly #started = performance.now();
  #firstTokenSeconds: number | undefined;

  constructor(options: ChoiceRunOptions, fields: SharedFields, context: OpenAiContext) {
    this.#options = options;
    this.#fields = fields;
    this.#context = context;
    this.open = options.promptTokens.length * options.choices;
    this.#ends = Array.from({ length: this.open }, () => undefined);
    this.#meter = new UsageMeter(options.promptTokens, options.choices);
  }

  /** @param onEvent what comes of a choice; those of a beam search come whole, when it is over */
  async run(
    signal: AbortSignal,
    onEvent: (choice: number, event: TextEvent) => Promise<void> | void,
  ): Promise<void> {
    const { engine, maxSequences } = this.#context;
    const { requests, choices } = this.#options;
    const take = async (choice: number, event: TextEvent): Promise<void> => {
      this.#note(choice, event);
      await onEvent(choice, event);
    };
    await runSequences(requests, {
      engine,
      maxSequences,
      signal,
      onEvent: async (index, event) => {
        if (event.beams === undefined) return await take(index, event);
        for (const [choice, { text, ids, finishReason }] of event.beams.slice(0, choices).entries()) {
          const end = event.end && { ...event.end, finishReason, generatedTokens: ids.length };
          await take(index * choices + choice, { text, ids, end, promptLogProbs: event.promptLogProbs });
        }
      },
    });
  }

  get usage(): Usage {
    return this.#meter.usage;
  }

  get timings(): Timings {
    return this.#meter.timings;
  }

  finishReason(choice: number): FinishReason {
    return this.#ends[choice]?.finishReason ?? 'length';
  }

  stopReason(choice: number): string | number | null {
    return publishedStopReason(this.#ends[choice]?.stopReason, this.#fields, this.#context.model);
  }

  /** The field `usage` of a chunk of this choice: counted so far, null before the end, or none at all. */
  chunkUsage(choice: number): { readonly usage?: Usage | null } {
    const options = this.#fields.stream_options;
    if (options?.continuous_usage_stats === true) return { usage: this.#meter.usageOf(choice) };
    return options?.include_usage === true ? { usage: null } : {};
  }

  /** For the log. */
  facts(model: string): WorkFacts {
    const { prompt_tokens, completion_tokens } = this.usage;
    return {
      model,
      promptTokens: prompt_tokens,
      completionTokens: completion_tokens,
      firstTokenSeconds: this.#firstTokenSeconds,
    };
  }

  #note(choice: number, { ids, end }: TextEvent): void {
    if (ids.length > 0) this.#firstTokenSeconds ??= (performance.now() - this.#started) / 1000;
    this.#meter.generated(choice, ids.length);
    if (end === undefined) return;
    this.open -= 1;
    this.#meter.ended(choice, end);
    this.#ends[choice] = end;
  }
}
