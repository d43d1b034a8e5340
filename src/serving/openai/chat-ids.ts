/** Messages of the API to the ids of a prompt. */

import { literalText } from '../../tokenizers/index.js';
import type { ChatTurn } from '../chat-prompt.js';
import { badRequest } from '../http/index.js';
import type { ApiMessage, ChatPromptFields } from './chat-schema.js';
import type { OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import type { TemplateCaller } from './template-desk.js';
import { assistantText, type ToolMode, toolInstructions, toolResultText } from './tool-prompt.js';

/** @throws HttpError 400 for a conversation that cannot be rendered or is too long, 422 for a failing template */
export async function chatIds(
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
  caller: TemplateCaller = {},
): Promise<readonly number[]> {
  const { model, engine } = context;
  const texts = fields.messages.map(contentText);
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
  return (message.role === 'system' || message.role === 'developer') && contentText(message) === '';
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
    messages: fields.messages
      .filter((message) => !isEmptySystem(message))
      .map((message) => ({
        ...message,
        content:
          message.role === 'assistant' || model.parsesSpecial
            ? contentText(message).replaceAll('\ufdd0', '\ufffd')
            : literalText(contentText(message), tokenizer),
      })),
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

/** A begun answer ends where it ends, whatever the template puts behind it. */
function continued(text: string, fields: ChatPromptFields): string {
  const last = fields.messages.at(-1);
  if (fields.continue_final_message !== true || last === undefined) return text;
  const content = contentText(last).trim();
  const at = content === '' ? -1 : text.lastIndexOf(content);
  return at < 0 ? text : text.slice(0, at + content.length);
}
