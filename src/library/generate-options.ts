/** How text is generated, and the same in the fields of the API. */
import { type Message, messageBody, type Tool } from './chat-message.js';

/** How a text goes on. What is not said is decided by the model's generation_config.json, then by the default. */
export interface GenerateOptions {
  /** Tokens at most. Default 256, less where the model's length ends before. */
  readonly maxNewTokens?: number | undefined;
  /** Tokens at least. Default 0. */
  readonly minNewTokens?: number | undefined;
  /** 0 takes the likeliest token each time; above 0 draws. Default 0. */
  readonly temperature?: number | undefined;
  /** Draw among the K most probable tokens; 0: among all. Default 0. */
  readonly topK?: number | undefined;
  /** Draw among the most probable tokens that reach this mass, above 0 to 1. Default 1. */
  readonly topP?: number | undefined;
  /** Leave out tokens less probable than this share of the best one, 0 to 1. Default 0. */
  readonly minP?: number | undefined;
  /** Makes draws repeatable. Default: none, each answer is another. */
  readonly seed?: number | undefined;
  /** Above 1 discourages what has been said (CTRL's). Default 1. */
  readonly repetitionPenalty?: number | undefined;
  /** Subtracted from every token that has come, -2 to 2. Default 0. */
  readonly presencePenalty?: number | undefined;
  /** Subtracted for each time that a token has come, -2 to 2. Default 0. */
  readonly frequencyPenalty?: number | undefined;
  /** The text ends before any of these. */
  readonly stop?: readonly string[] | undefined;
  /** The text is JSON that this JSON Schema takes. At most one of `schema`, `regex` and `choice`. */
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
  /** The whole text is one that this expression matches. */
  readonly regex?: string | undefined;
  /** The text is one of these. */
  readonly choice?: readonly string[] | undefined;
  /** A name of `LoadOptions.adapters`. Default: the model as it is. */
  readonly adapter?: string | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

/** How a conversation is answered. */
export interface ChatOptions extends GenerateOptions {
  /** What the model may call. Models that never saw tools are told of them in words. */
  readonly tools?: readonly Tool[] | undefined;
  /** auto: as the model likes; required: a call, held to the schemas; none; or the call of one tool. Default auto. */
  readonly toolChoice?:
    | 'auto'
    | 'required'
    | 'none'
    | {
        /** `Tool.name`. */
        readonly name: string;
      }
    | undefined;
  /** Variables of the chat template, such as `enable_thinking`. */
  readonly templateValues?: Readonly<Record<string, unknown>> | undefined;
}

/** The one table between our names and those of the API. */
const FIELDS = {
  maxNewTokens: 'max_tokens',
  minNewTokens: 'min_tokens',
  temperature: 'temperature',
  topK: 'top_k',
  topP: 'top_p',
  minP: 'min_p',
  seed: 'seed',
  repetitionPenalty: 'repetition_penalty',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  stop: 'stop',
  adapter: 'model',
  templateValues: 'chat_template_kwargs',
  toolChoice: 'tool_choice',
} as const satisfies Partial<Record<keyof ChatOptions, string>>;

/** @param defaults of the model: its temperature, its longest text */
export function generateBody(
  options: ChatOptions,
  defaults: { readonly temperature?: number | undefined },
): Record<string, unknown> {
  const { schema, regex, choice, toolChoice } = options;
  const structured = { ...(schema && { json: schema }), ...(regex && { regex }), ...(choice && { choice }) };
  return {
    ...Object.fromEntries(
      Object.entries(FIELDS)
        .map(([name, field]) => [field, Reflect.get(options, name)])
        .filter(([, value]) => value !== undefined),
    ),
    temperature: options.temperature ?? defaults.temperature ?? 0,
    ...(Object.keys(structured).length > 0 && { structured_outputs: structured }),
    ...(typeof toolChoice === 'object' && {
      tool_choice: { type: 'function', function: { name: toolChoice.name } },
    }),
  };
}

export function chatBody(
  messages: readonly Message[],
  options: ChatOptions,
  defaults: { readonly temperature?: number | undefined },
): Record<string, unknown> {
  return {
    ...generateBody(options, defaults),
    messages: messages.map(messageBody),
    ...(options.tools && { tools: options.tools.map((tool) => ({ type: 'function', function: tool })) }),
  };
}

/** Of a field, our name for it; for messages. */
export function optionOfField(message: string): string {
  for (const [name, field] of Object.entries(FIELDS))
    if (field !== name && message.startsWith(field) && /^[:.]/.test(message.slice(field.length)))
      return `${name}${message.slice(field.length)}`;
  return message;
}
