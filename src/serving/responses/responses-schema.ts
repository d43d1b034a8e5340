/** The body of POST /v1/responses, and what it is in the fields of a chat. */
import { z } from 'zod';
import { badRequest } from '../http/index.js';
import { anyObject, contentText, list, optional } from '../openai/index.js';

const MAX_PARTS = 4096;
/** Images, files and sound are refused by their type. */
const part = z.object({ type: z.enum(['input_text', 'output_text', 'text', 'refusal']), text: z.string() });
const content = z.union([z.string(), list(part, { max: MAX_PARTS })]);

const message = z.object({
  type: optional(z.literal('message')),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
});
const functionCall = z.object({
  type: z.literal('function_call'),
  call_id: z.string(),
  name: z.string().min(1),
  arguments: z.string(),
});
const functionCallOutput = z.object({
  type: z.literal('function_call_output'),
  call_id: z.string(),
  output: content,
});
/** What an earlier answer thought; clients send it back. */
const reasoning = z.object({
  type: z.literal('reasoning'),
  content: optional(
    list(z.object({ type: z.literal('reasoning_text'), text: z.string() }), { max: MAX_PARTS }),
  ),
});
const item = z.union([message, functionCall, functionCallOutput, reasoning]);

const tool = z.object({
  type: z.literal('function'),
  name: z.string(),
  description: optional(z.string()),
  parameters: optional(anyObject()),
  strict: optional(z.boolean()),
});

const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    name: optional(z.string().max(256)),
    description: optional(z.string()),
    schema: anyObject(),
    strict: optional(z.boolean()),
  }),
]);

export const responsesSchema = z.object({
  model: optional(z.string().min(1).max(1024)),
  input: z.union([z.string(), list(item, { min: 1, max: 16_384 })]),
  instructions: optional(z.string()),
  max_output_tokens: optional(z.int().min(1)),
  temperature: optional(z.number().min(0).max(2)),
  top_p: optional(z.number().min(0).max(1)),
  stream: optional(z.boolean()),
  tools: optional(list(tool, { max: 128 })),
  tool_choice: optional(
    z.union([
      z.enum(['none', 'auto', 'required']),
      z.object({ type: z.literal('function'), name: z.string() }),
    ]),
  ),
  parallel_tool_calls: optional(z.boolean()),
  text: optional(z.object({ format: optional(format) })),
  metadata: optional(anyObject()),
  user: optional(z.string()),
  truncation: optional(z.enum(['auto', 'disabled'])),
  store: optional(z.boolean()).describe('Nothing is stored, whatever it is.'),
  previous_response_id: optional(z.string()),
  conversation: optional(z.unknown()),
  background: optional(z.boolean()),
});

export type ResponsesFields = z.output<typeof responsesSchema>;
type Item = z.output<typeof item>;

/** @throws HttpError 400 for what needs answers that were kept */
export function chatBodyOf(fields: ResponsesFields): Record<string, unknown> {
  if (fields.previous_response_id !== undefined)
    throw badRequest(
      'previous_response_id: this server keeps no answers; send the whole conversation as input',
      'previous_response_id',
    );
  if (fields.conversation !== undefined)
    throw badRequest('conversation: this server keeps none; send all of it as input', 'conversation');
  if (fields.background === true)
    throw badRequest('background: answers are given at once; leave it out', 'background');
  if (fields.truncation === 'auto')
    throw badRequest(
      'truncation: auto is not supported; leave out the oldest items of the input',
      'truncation',
    );
  const { instructions, input, tools = [] } = fields;
  const system = instructions === undefined ? [] : [{ role: 'system', content: instructions }];
  const messages = typeof input === 'string' ? [{ role: 'user', content: input }] : chatMessages(input);
  const choice = fields.tool_choice;
  return {
    model: fields.model,
    messages: [...system, ...messages],
    max_tokens: fields.max_output_tokens,
    temperature: fields.temperature,
    top_p: fields.top_p,
    ...(tools.length > 0 && {
      tools: tools.map(({ type, ...described }) => ({ type, function: described })),
      tool_choice:
        typeof choice === 'object' ? { type: 'function', function: { name: choice.name } } : choice,
      parallel_tool_calls: fields.parallel_tool_calls,
    }),
    response_format: responseFormat(fields.text?.format),
  };
}

/** Calls that follow each other, or a text of the assistant, are one message of a chat. */
function chatMessages(items: readonly Item[]): unknown[] {
  const messages: unknown[] = [];
  let open: { readonly role: 'assistant'; content: string; readonly tool_calls: unknown[] } | undefined;
  let thoughts: string | undefined;
  const takeThoughts = (): { readonly reasoning_content?: string } => {
    const taken = thoughts;
    thoughts = undefined;
    return taken === undefined || taken === '' ? {} : { reasoning_content: taken };
  };
  for (const each of items) {
    if (each.type === 'reasoning') {
      thoughts = contentText(each.content ?? '');
      continue;
    }
    if ('call_id' in each && each.type === 'function_call') {
      if (open === undefined) {
        open = { role: 'assistant', content: '', tool_calls: [], ...takeThoughts() };
        messages.push(open);
      }
      open.tool_calls.push({ id: each.call_id, function: { name: each.name, arguments: each.arguments } });
      continue;
    }
    open = undefined;
    if ('call_id' in each)
      messages.push({ role: 'tool', tool_call_id: each.call_id, content: contentText(each.output) });
    else {
      const own = each.role === 'assistant' ? takeThoughts() : {};
      messages.push({ role: each.role, content: contentText(each.content), ...own });
    }
  }
  return messages;
}

function responseFormat(given: z.output<typeof format> | undefined): unknown {
  if (given === undefined || given.type !== 'json_schema') return given;
  const { type, ...json_schema } = given;
  return { type, json_schema };
}
