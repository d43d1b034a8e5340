/** Messages of the API to the ids of a prompt. */

import type { ChatTurn } from '../chat-prompt.js';
import { badRequest } from '../http/index.js';
import type { ApiMessage, ChatPromptFields } from './chat-schema.js';
import type { OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import { assistantText, type ToolMode, toolInstructions, toolResultText } from './tool-prompt.js';

/** @throws HttpError 400 for a conversation that cannot be rendered or is too long, 422 for a failing template */
export async function chatIds(
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
): Promise<number[]> {
  const { model, engine } = context;
  const texts = fields.messages.map(contentText);
  const limits = { maxModelLength: engine.maxModelLength, model };
  checkTextLength(texts.join('\n'), limits, 'messages');
  const template = templateOf(fields, context);
  if (template !== undefined) return templateIds(template, fields, mode, context);
  if (model.chatFault !== undefined) throw badRequest(model.chatFault, 'messages');
  return model.renderChat(turnsOf(fields, mode, texts), {
    addGenerationPrompt: fields.add_generation_prompt,
    continueFinalMessage: fields.continue_final_message,
  });
}

/** Messages as the families know them: system, user, assistant; tools as text. */
function turnsOf(fields: ChatPromptFields, mode: ToolMode, texts: readonly string[]): ChatTurn[] {
  const turns = fields.messages.map((message, index): ChatTurn => {
    const content = texts[index] ?? '';
    switch (message.role) {
      case 'system':
      case 'developer':
        return { role: 'system', content };
      case 'user':
        return { role: 'user', content };
      case 'assistant':
        return { role: 'assistant', content: assistantText(message, content) };
      case 'tool':
        return { role: 'user', content: toolResultText(content) };
      default:
        return message satisfies never;
    }
  });
  if (mode.kind === 'none') return turns;
  const isChinese = texts.some((text) => /\p{Script=Han}/u.test(text));
  return [{ role: 'system', content: toolInstructions(fields, mode, isChinese) }, ...turns];
}

function contentText({ content }: ApiMessage): string {
  if (content === undefined) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}

function templateOf(fields: ChatPromptFields, context: OpenAiContext): string | undefined {
  if (fields.chat_template === undefined) return context.chatTemplate;
  if (context.allowChatTemplate) return fields.chat_template;
  throw badRequest(
    'chat_template: this server takes no templates from requests; it has to be started with --allow-chat-template.',
    'chat_template',
  );
}

async function templateIds(
  template: string,
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
): Promise<number[]> {
  const { model, engine, templates } = context;
  if (templates === undefined)
    throw badRequest('chat_template: this server renders no templates', 'chat_template');
  const { tokenizer } = model;
  const token = (id: number | undefined): string => (id === undefined ? '' : tokenizer.idToToken(id));
  const text = await templates.render(template, {
    ...fields.chat_template_kwargs,
    messages: fields.messages.map((message, index) => templateMessage(message, index)),
    tools: mode.kind === 'none' ? undefined : fields.tools,
    add_generation_prompt: fields.add_generation_prompt ?? fields.continue_final_message !== true,
    continue_final_message: fields.continue_final_message ?? false,
    bos_token: token(tokenizer.bosTokenId),
    eos_token: token(tokenizer.eosTokenId),
  });
  checkTextLength(text, { maxModelLength: engine.maxModelLength, model }, 'messages');
  return tokenizer.encode(continued(text, fields));
}

/** Templates go over the arguments of a call as an object, or write it as JSON themselves. */
function templateMessage(message: ApiMessage, index: number): Record<string, unknown> {
  const content = contentText(message);
  if (message.role !== 'assistant' || message.tool_calls === undefined) return { ...message, content };
  const calls = message.tool_calls.map((call, at) => {
    const place = `messages[${index}].tool_calls[${at}].function.arguments`;
    return {
      ...call,
      function: { ...call.function, arguments: callArguments(call.function.arguments, place) },
    };
  });
  return { ...message, content, tool_calls: calls };
}

function callArguments(text: string, place: string): object {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badRequest(`${place}: expected a JSON object, which the chat template needs`, 'messages');
}

/** A begun answer ends where it ends, whatever the template puts behind it. */
function continued(text: string, fields: ChatPromptFields): string {
  const last = fields.messages.at(-1);
  if (fields.continue_final_message !== true || last === undefined) return text;
  const content = contentText(last).trim();
  const at = content === '' ? -1 : text.lastIndexOf(content);
  return at < 0 ? text : text.slice(0, at + content.length);
}
