/** Messages of the API to the ids of a prompt. */

import { setImmediate } from 'node:timers/promises';
import { printsArguments, tokenValues } from '../../models/index.js';
import { alternating, type ChatTurn } from '../chat-prompt.js';
import { badRequest, HttpError, inKeyOrder, JsonMeter } from '../http/index.js';
import { type AnswerForm, FAMILY_ANSWER, templateAnswer } from './answer-form.js';
import type { ApiMessage, ChatPromptFields } from './chat-schema.js';
import type { RenderedChat, TemplateInput } from './chat-template.js';
import { contentText } from './content-text.js';
import type { OpenAiContext } from './context.js';
import { checkTextLength } from './context-length.js';
import type { TemplateCaller } from './template-queue.js';
import { assistantText, type ToolMode, toolInstructions, toolResultText } from './tool-prompt.js';

export interface ChatPrompt {
  readonly ids: readonly number[];
  /** How the answer to it is to be read. */
  readonly form: AnswerForm;
}

/** @throws HttpError 400 for a conversation that cannot be rendered or is too long, 422 for a failing template */
export async function chatPrompt(
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
  caller: TemplateCaller = {},
): Promise<ChatPrompt> {
  const { model, engine } = context;
  const texts = fields.messages.map(({ content }) => contentText(content));
  const limits = { maxModelLength: engine.maxModelLength, model };
  checkTextLength(texts.join('\n'), limits, 'messages');
  const template = templateOf(fields, mode, context);
  if (template !== undefined) return await templatePrompt(template, fields, mode, context, caller);
  if (model.chatFault !== undefined) throw badRequest(model.chatFault, 'messages');
  const turns = turnsOf(fields, mode, texts);
  // Tools, and the calls of the history, are text as well.
  checkTextLength(turns.map(({ content }) => content).join('\n'), limits, 'messages');
  const options = {
    addGenerationPrompt: fields.add_generation_prompt,
    continueFinalMessage: fields.continue_final_message,
  };
  return { ids: await context.texts.renderChat(turns, options, caller.signal), form: FAMILY_ANSWER };
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

function templateOf(fields: ChatPromptFields, mode: ToolMode, context: OpenAiContext): string | undefined {
  if (fields.chat_template === undefined)
    return mode.kind === 'none' ? context.chatTemplate : (context.toolTemplate ?? context.chatTemplate);
  if (context.allowChatTemplate) return fields.chat_template;
  throw badRequest(
    'chat_template: this server takes no templates from requests; it has to be started with --allow-chat-template.',
    'chat_template',
  );
}

async function templatePrompt(
  template: string,
  fields: ChatPromptFields,
  mode: ToolMode,
  context: OpenAiContext,
  caller: TemplateCaller,
): Promise<ChatPrompt> {
  const { model, engine, templates, texts } = context;
  if (templates === undefined)
    throw badRequest('chat_template: this server renders no templates', 'chat_template');
  const showsTools = /\btools\b/.test(template);
  const showsCalls = /\btool_calls\b/.test(template);
  const hasCalls = fields.messages.some((each) => each.role === 'assistant' && each.tool_calls !== undefined);
  // What the template has no place for becomes text, as in the families' own formats.
  const isText = (mode.kind !== 'none' && !showsTools) || (hasCalls && !showsCalls);
  const { messages, inTexts }: TemplateMessages = isText
    ? plainMessages(
        alternating(
          turnsOf(
            fields,
            mode,
            fields.messages.map(({ content }) => contentText(content)),
          ),
        ),
      )
    : await templateMessages(fields.messages, template);
  const isContinued = fields.continue_final_message === true;
  const inputOf = (shown: readonly TemplateMessage[]): TemplateInput => ({
    values: {
      ...model.template?.values,
      ...fields.chat_template_kwargs,
      messages: isContinued ? withEndMark(shown) : shown,
      tools: mode.kind === 'none' || isText ? null : fields.tools,
      documents: null,
      add_generation_prompt: fields.add_generation_prompt ?? !isContinued,
      continue_final_message: isContinued,
    },
    own: tokenValues(model.tokenizer, model.stopTokenIds[0]),
  });
  const render = (shown: readonly TemplateMessage[]): Promise<RenderedChat> =>
    fields.chat_template === undefined
      ? templates.renderOwn(template, inputOf(shown))
      : templates.renderCallers(template, inputOf(shown), caller);
  const whole = await renderedCalls(messages, inTexts, render);
  const rendered = isContinued ? upToEndMark(whole) : whole;
  checkTextLength(rendered.text, { maxModelLength: engine.maxModelLength, model }, 'messages');
  const form = templateAnswer(template, rendered.text, { callsAreText: isText });
  return { ids: await texts.encodeRendered(rendered, caller.signal), form };
}

type TemplateMessage = Readonly<Record<string, unknown>>;

interface TemplateMessages {
  /** The arguments of calls are objects. */
  readonly messages: readonly TemplateMessage[];
  /** The same with arguments as they came, for templates that join them to other texts; undefined: there are no calls. */
  readonly inTexts: readonly TemplateMessage[] | undefined;
}

function plainMessages(turns: readonly object[]): TemplateMessages {
  return { messages: turns.map((each) => ({ ...each })), inTexts: undefined };
}

/** Objects first; texts where the template fails on them or prints them as Python would. @throws HttpError of the first try */
async function renderedCalls(
  messages: readonly TemplateMessage[],
  inTexts: readonly TemplateMessage[] | undefined,
  render: (shown: readonly TemplateMessage[]) => Promise<RenderedChat>,
): Promise<RenderedChat> {
  if (inTexts === undefined) return await render(messages);
  let rendered: RenderedChat;
  try {
    rendered = await render(messages);
  } catch (error) {
    if (!(error instanceof HttpError) || ![400, 422].includes(error.status)) throw error;
    try {
      return await render(inTexts);
    } catch (second) {
      throw second instanceof HttpError ? error : second;
    }
  }
  return printsArguments(rendered.text, messages) ? await render(inTexts) : rendered;
}

/** What a template is given of the messages: those that say nothing to the model are left out. */
async function templateMessages(
  messages: readonly ApiMessage[],
  template: string,
): Promise<TemplateMessages> {
  const meter = new JsonMeter();
  const knowsDeveloper = template.includes('developer');
  const found: TemplateMessage[] = [];
  const inTexts: TemplateMessage[] = [];
  let hasCalls = false;
  const push = (message: TemplateMessage): void => {
    found.push(message);
    inTexts.push(message);
  };
  for (const [index, message] of messages.entries()) {
    if (isEmptySystem(message)) continue;
    const content = contentText(message.content);
    if (message.role === 'developer' && !knowsDeveloper) push({ ...message, role: 'system', content });
    else if (message.role !== 'assistant' || message.tool_calls === undefined) push({ ...message, content });
    else {
      hasCalls = true;
      const calls: object[] = [];
      const texts: object[] = [];
      for (const [at, call] of message.tool_calls.entries()) {
        const location = `messages[${index}].tool_calls[${at}].function.arguments`;
        const args = await callArguments(call.function.arguments, location, meter);
        calls.push({ ...call, type: 'function', function: { ...call.function, arguments: args } });
        const text = call.function.arguments.trim() === '' ? '{}' : call.function.arguments;
        texts.push({ ...call, type: 'function', function: { ...call.function, arguments: text } });
      }
      found.push({ ...message, content, tool_calls: calls });
      inTexts.push({ ...message, content, tool_calls: texts });
    }
  }
  return { messages: found, inTexts: hasCalls ? inTexts : undefined };
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

/** Noncharacter that shows where a text went; the space tells whether the template takes off the end of texts. */
const END_MARK = '\ufdef';

function withEndMark(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const last = messages.at(-1);
  if (last?.role !== 'assistant')
    throw badRequest(
      `continue_final_message: the last message is the ${String(last?.role)}'s; it must be the assistant's.`,
      'continue_final_message',
    );
  return [...messages.slice(0, -1), { ...last, content: `${String(last.content)}${END_MARK} ` }];
}

/** A begun answer ends where it ends, whatever the template puts behind it. */
function upToEndMark({ text, marked }: RenderedChat): RenderedChat {
  const at = text.lastIndexOf(END_MARK);
  if (at < 0)
    throw badRequest(
      'continue_final_message: the chat template does not show the last message as it is; it cannot be continued.',
      'continue_final_message',
    );
  const end = text[at + 1] === ' ' ? at : text.slice(0, at).trimEnd().length;
  return { text: text.slice(0, end), marked: marked?.slice(0, end) };
}
