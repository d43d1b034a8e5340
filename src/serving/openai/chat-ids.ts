/** Messages of the API to the ids of a prompt. */

import { setImmediate } from 'node:timers/promises';
import { literalText } from '../../tokenizers/index.js';
import type { ChatTurn } from '../chat-prompt.js';
import { badRequest, inKeyOrder, JsonMeter } from '../http/index.js';
import type { ApiMessage, ChatPromptFields } from './chat-schema.js';
import { contentText } from './content-text.js';
import type { OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import type { TemplateCaller } from './template-queue.js';
import { assistantText, type ToolMode, toolInstructions, toolResultText } from './tool-prompt.js';

/** @throws HttpError 400 for a conversation that cannot be rendered or is too long, 422 for a failing template */
export async function chatIds(
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
  caller: TemplateCaller = {},
): Promise<readonly number[]> {
  const { model, engine } = context;
  const texts = fields.messages.map(({ content }) => contentText(content));
  const limits = { maxModelLength: engine.maxModelLength, model };
  checkTextLength(texts.join('\n'), limits, 'messages');
  const template = templateOf(fields, context);
  if (template !== undefined) return await templateIds(template, fields, mode, context, caller);
  if (model.chatFault !== undefined) throw badRequest(model.chatFault, 'messages');
  const turns = turnsOf(fields, mode, texts);
  // Tools, and the calls of the history, are text as well.
  checkTextLength(turns.map(({ content }) => content).join('\n'), limits, 'messages');
  const options = {
    addGenerationPrompt: fields.add_generation_prompt,
    continueFinalMessage: fields.continue_final_message,
  };
  return await context.texts.renderChat(turns, options, caller.signal);
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

function isEmptySystem(message: ApiMessage): boolean {
  return (message.role === 'system' || message.role === 'developer') && contentText(message.content) === '';
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
  caller: TemplateCaller,
): Promise<readonly number[]> {
  const { model, engine, templates, texts } = context;
  if (templates === undefined)
    throw badRequest('chat_template: this server renders no templates', 'chat_template');
  const { tokenizer } = model;
  const token = (id: number | undefined): string => (id === undefined ? '' : tokenizer.idToToken(id));
  const values = {
    ...fields.chat_template_kwargs,
    // Templates look into answers for their own marks; what others say is text.
    messages: await templateMessages(fields.messages, (message) =>
      message.role === 'assistant' || model.parsesSpecial
        ? contentText(message.content).replaceAll('\ufdd0', '\ufffd')
        : literalText(contentText(message.content), tokenizer),
    ),
    tools: mode.kind === 'none' ? undefined : fields.tools,
    add_generation_prompt: fields.add_generation_prompt ?? fields.continue_final_message !== true,
    continue_final_message: fields.continue_final_message ?? false,
    bos_token: token(tokenizer.bosTokenId),
    eos_token: token(tokenizer.eosTokenId),
  };
  const text = await (fields.chat_template === undefined
    ? templates.renderOwn(template, values)
    : templates.renderCallers(template, values, caller));
  checkTextLength(text, { maxModelLength: engine.maxModelLength, model }, 'messages');
  return await texts.encodeCut(continued(text, fields), caller.signal);
}

/** What a template is given of the messages: those that say nothing to the model are left out. */
async function templateMessages(
  messages: readonly ApiMessage[],
  textOf: (message: ApiMessage) => string,
): Promise<Record<string, unknown>[]> {
  const meter = new JsonMeter();
  const found: Record<string, unknown>[] = [];
  for (const [index, message] of messages.entries()) {
    if (isEmptySystem(message)) continue;
    const content = textOf(message);
    if (message.role !== 'assistant' || message.tool_calls === undefined) {
      found.push({ ...message, content });
      continue;
    }
    const calls: object[] = [];
    for (const [at, call] of message.tool_calls.entries()) {
      const location = `messages[${index}].tool_calls[${at}].function.arguments`;
      const input = await callArguments(call.function.arguments, location, meter);
      calls.push({ ...call, function: { ...call.function, arguments: input } });
    }
    found.push({ ...message, content, tool_calls: calls });
  }
  return found;
}

/** Of the arguments of all calls together, as of a body. */
const MAX_ARGUMENT_PARTS = 32_768;
const MAX_ARGUMENT_DEPTH = 100;
/** Characters of arguments that are read at one go with what stands around them. */
const TURN_LENGTH = 128 * 1024;

/** Templates go over the arguments of a call as an object, or write it as JSON themselves. */
async function callArguments(text: string, location: string, meter: JsonMeter): Promise<object> {
  if (text.trim() === '') return {};
  // Others have their turn between two passes over a long text.
  const turn = async (): Promise<void> => {
    if (text.length > TURN_LENGTH) await setImmediate();
  };
  await turn();
  meter.push(Buffer.from(text));
  if (meter.parts > MAX_ARGUMENT_PARTS || meter.depth > MAX_ARGUMENT_DEPTH)
    throw badRequest(
      `${location}: too large for a chat template: all arguments together may have ${MAX_ARGUMENT_PARTS} objects, lists and keys, ` +
        `${MAX_ARGUMENT_DEPTH} levels deep`,
      'messages',
    );
  await turn();
  let value: unknown;
  try {
    value = JSON.parse(text);
    await turn();
    value = await inKeyOrder(value, text);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badRequest(`${location}: expected a JSON object, which the chat template needs`, 'messages');
}

/** A begun answer ends where it ends, whatever the template puts behind it. */
function continued(text: string, fields: ChatPromptFields): string {
  const last = fields.messages.at(-1);
  if (fields.continue_final_message !== true || last === undefined) return text;
  const content = contentText(last.content).trim();
  const at = content === '' ? -1 : text.lastIndexOf(content);
  return at < 0 ? text : text.slice(0, at + content.length);
}
