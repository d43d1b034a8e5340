/** The body of POST /v1/messages, and what it is in the fields of a chat. */
import { z } from 'zod';
import { badRequest } from '../http/index.js';
import { anyObject, contentText, list, optional } from '../openai/index.js';

const MAX_BLOCKS = 4096;
const textBlock = z.object({ type: z.literal('text'), text: z.string() });
const text = z.union([z.string(), list(textBlock, { max: MAX_BLOCKS })]);

/** Images, documents and tools of Anthropic's own are refused by their type. */
const block = z.discriminatedUnion('type', [
  textBlock,
  z.object({ type: z.literal('thinking'), thinking: z.string(), signature: optional(z.string()) }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string().min(1), input: anyObject() }),
  z.object({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: optional(text),
    is_error: optional(z.boolean()),
  }),
]);

const message = z.object({
  role: z.enum(['user', 'assistant']),
  content: z.union([z.string(), list(block, { max: MAX_BLOCKS })]),
});

const tool = z.object({
  type: optional(z.literal('custom')),
  name: z.string(),
  description: optional(z.string()),
  input_schema: anyObject(),
});

const toolChoice = z.object({
  type: z.enum(['auto', 'any', 'tool', 'none']),
  name: optional(z.string()),
  disable_parallel_tool_use: optional(z.boolean()),
});

const promptShape = {
  model: z.string().min(1).max(1024),
  messages: list(message, { min: 1, max: 16_384 }),
  system: optional(text),
  tools: optional(list(tool, { max: 128 })),
  tool_choice: optional(toolChoice),
  thinking: optional(z.object({ type: z.enum(['disabled', 'enabled', 'adaptive']) })),
};

export const countSchema = z.object(promptShape);
export const messagesSchema = z.object({
  ...promptShape,
  max_tokens: z.int().min(1),
  stop_sequences: optional(list(z.string().min(1).max(1024), { max: 16 })),
  temperature: optional(z.number().min(0).max(1)),
  top_p: optional(z.number().min(0).max(1)),
  top_k: optional(z.int().min(0)),
  stream: optional(z.boolean()),
});

type CountFields = z.output<typeof countSchema>;
export type MessagesFields = z.output<typeof messagesSchema>;

/** @param canThink of the model. @throws HttpError 400 */
export function chatBodyOfPrompt(fields: CountFields, canThink: boolean): Record<string, unknown> {
  const isThinking = fields.thinking !== undefined && fields.thinking.type !== 'disabled';
  if (isThinking && !canThink) throw badRequest('thinking: this model has none; leave it out', 'thinking');
  const system = fields.system === undefined ? [] : [{ role: 'system', content: contentText(fields.system) }];
  const hasTools = fields.tools !== undefined && fields.tools.length > 0;
  return {
    model: fields.model,
    messages: [...system, ...fields.messages.flatMap(chatMessages)],
    ...(fields.thinking !== undefined && { chat_template_kwargs: { enable_thinking: isThinking } }),
    ...(hasTools && {
      tools: fields.tools?.map(({ name, description, input_schema: parameters }) => ({
        type: 'function',
        function: { name, description, parameters },
      })),
      tool_choice: chatToolChoice(fields.tool_choice),
      parallel_tool_calls: fields.tool_choice?.disable_parallel_tool_use === true ? false : undefined,
    }),
  };
}

export function chatBodyOf(fields: MessagesFields, canThink: boolean): Record<string, unknown> {
  return {
    ...chatBodyOfPrompt(fields, canThink),
    max_tokens: fields.max_tokens,
    stop: fields.stop_sequences,
    temperature: fields.temperature,
    top_p: fields.top_p,
    top_k: fields.top_k,
  };
}

/** Results come first and are messages of their own; what else the user says follows. */
function chatMessages({ role, content }: CountFields['messages'][number]): unknown[] {
  if (typeof content === 'string') return [{ role, content }];
  const texts = content.flatMap((each) => (each.type === 'text' ? [each.text] : []));
  const results = content.flatMap((each) =>
    each.type === 'tool_result'
      ? [{ role: 'tool', tool_call_id: each.tool_use_id, content: contentText(each.content) }]
      : [],
  );
  const calls = content.flatMap((each) =>
    each.type === 'tool_use'
      ? [{ id: each.id, function: { name: each.name, arguments: JSON.stringify(each.input) } }]
      : [],
  );
  if (role === 'assistant' && results.length > 0)
    throw badRequest(
      'messages: a tool_result is the user’s; it stands in a message of the assistant',
      'messages',
    );
  if (role === 'user' && calls.length > 0)
    throw badRequest(
      'messages: a tool_use is the assistant’s; it stands in a message of the user',
      'messages',
    );
  const thoughts = content.flatMap((each) => (each.type === 'thinking' ? [each.thinking] : []));
  if (role === 'user' && thoughts.length > 0)
    throw badRequest('messages: thinking is the assistant’s; it stands in a message of the user', 'messages');
  const reasoning_content = thoughts.length === 0 ? undefined : thoughts.join('\n');
  if (role === 'assistant')
    return [
      { role, content: texts.join(''), reasoning_content, ...(calls.length > 0 && { tool_calls: calls }) },
    ];
  return [...results, ...(texts.length > 0 ? [{ role, content: texts.join('') }] : [])];
}

function chatToolChoice(choice: CountFields['tool_choice']): unknown {
  const type = choice?.type ?? 'auto';
  switch (type) {
    case 'auto':
    case 'none':
      return type;
    case 'any':
      return 'required';
    case 'tool':
      return { type: 'function', function: { name: choice?.name ?? '' } };
    default:
      return type satisfies never;
  }
}
