/** The body of POST /v1/chat/completions. */
import { z } from 'zod';
import { anyObject, list } from './bounded-schemas.js';
import { MAX_LOG_PROBS, optional, sharedShape } from './fields.js';

const MAX_TOOLS = 128;
/** Pieces of one message's content. */
const MAX_PARTS = 4096;

const textPart = z.object({ type: z.enum(['text', 'input_text', 'refusal']), text: z.string() });
const content = z.union([z.string(), list(textPart, { max: MAX_PARTS })]);

const toolCall = z.object({
  id: optional(z.string()),
  type: optional(z.literal('function')),
  function: z.object({ name: z.string().min(1), arguments: z.string() }),
});

export const messageSchema = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer']), content: optional(content), name: optional(z.string()) }),
  z.object({ role: z.literal('user'), content, name: optional(z.string()) }),
  z.object({
    role: z.literal('assistant'),
    content: optional(content),
    name: optional(z.string()),
    reasoning_content: optional(z.string()),
    tool_calls: optional(list(toolCall, { max: MAX_TOOLS })),
  }),
  z.object({
    role: z.literal('tool'),
    content,
    name: optional(z.string()),
    tool_call_id: optional(z.string()),
  }),
]);

export type ApiMessage = z.output<typeof messageSchema>;

export const toolSchema = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'expected 1 to 64 letters, digits, _ . or -'),
    description: optional(z.string()),
    parameters: optional(anyObject()),
    strict: optional(z.boolean()),
  }),
});

export type Tool = z.output<typeof toolSchema>;

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
]);

/** What makes a prompt of messages; POST /tokenize takes it too. */
export const chatPromptShape = {
  messages: list(messageSchema, { min: 1, max: 16_384 }),
  tools: optional(list(toolSchema, { min: 1, max: MAX_TOOLS })),
  tool_choice: optional(toolChoice),
  parallel_tool_calls: optional(z.boolean()),
  add_generation_prompt: optional(z.boolean()),
  continue_final_message: optional(z.boolean()),
  chat_template: optional(z.string().max(65536)),
  chat_template_kwargs: optional(anyObject()),
};

const chatPromptFields = z.object(chatPromptShape);
export type ChatPromptFields = z.output<typeof chatPromptFields>;

export const chatSchema = z.object({
  ...sharedShape,
  ...chatPromptShape,
  max_completion_tokens: optional(z.int().min(1)),
  max_tokens: optional(z.int().min(1)),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().min(0).max(MAX_LOG_PROBS)),
});

export type ChatFields = z.output<typeof chatSchema>;
