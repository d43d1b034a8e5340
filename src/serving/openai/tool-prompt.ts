/**
 * Tools for models that were never trained on any: a system text says which there are and how to call one, and a schema
 * holds the answer to that form where a call is demanded. Calls and results of the history become text in the same form.
 */
import { type GrammarSpec, relocateReferences, schemaPath } from '../../generation/index.js';
import { badRequest } from '../http/index.js';
import { HERMES_CALLS } from './answer-form.js';
import type { ApiMessage, ChatPromptFields, Tool } from './chat-schema.js';

/** Of one answer, where several are asked for. */
const MAX_CALLS = 16;

/** How the answer is to be read. */
export type ToolMode =
  | { readonly kind: 'none' }
  /** Free text, or calls between CALL_START and CALL_END from the first character on. */
  | { readonly kind: 'auto' }
  /** One JSON object {name, arguments}, or a list of them. */
  | { readonly kind: 'calls' }
  /** The JSON of the arguments alone. */
  | { readonly kind: 'arguments'; readonly name: string };

/** @throws HttpError 400 for a choice without tools, a tool that is not there, two tools of one name */
export function toolMode({ tools, tool_choice: choice }: ChatPromptFields): ToolMode {
  if (tools === undefined) {
    if (choice === undefined || choice === 'none') return { kind: 'none' };
    throw badRequest('tool_choice: there are no tools to choose from', 'tool_choice');
  }
  const names = tools.map((tool) => tool.function.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw badRequest(`tools: the name ${JSON.stringify(twice)} stands twice`, 'tools');
  if (choice === 'none') return { kind: 'none' };
  if (choice === undefined || choice === 'auto') return { kind: 'auto' };
  if (choice === 'required') return { kind: 'calls' };
  const { name } = choice.function;
  if (names.includes(name)) return { kind: 'arguments', name };
  throw badRequest(
    `tool_choice.function.name: there is no tool ${JSON.stringify(name)}; known: ${names.join(', ')}`,
    'tool_choice.function.name',
  );
}

/** What a demanded call may look like; undefined where the answer is free. */
export function toolGrammar(fields: ChatPromptFields, mode: ToolMode): GrammarSpec | undefined {
  const tools = fields.tools ?? [];
  switch (mode.kind) {
    case 'none':
    case 'auto':
      return undefined;
    case 'arguments':
      return {
        kind: 'json-schema',
        schema: parametersOf(tools.find((tool) => tool.function.name === mode.name)),
      };
    case 'calls': {
      // A list invites a small model to go on and on: only who asks for it gets one.
      const isList = fields.parallel_tool_calls === true;
      const call = {
        anyOf: tools.map((tool, index) => callSchema(tool, [...(isList ? ['items'] : []), 'anyOf', index])),
      };
      if (!isList) return { kind: 'json-schema', schema: call };
      return {
        kind: 'json-schema',
        schema: { type: 'array', items: call, minItems: 1, maxItems: MAX_CALLS },
      };
    }
    default:
      return mode satisfies never;
  }
}

/** @param keys where it stands in the whole schema */
function callSchema(tool: Tool, keys: readonly (string | number)[]): unknown {
  const parameters = relocateReferences(parametersOf(tool), schemaPath(...keys, 'properties', 'arguments'));
  return {
    type: 'object',
    properties: { name: { const: tool.function.name }, arguments: parameters },
    required: ['name', 'arguments'],
    additionalProperties: false,
  };
}

function parametersOf(tool: Tool | undefined): unknown {
  return tool?.function.parameters ?? { type: 'object', properties: {}, additionalProperties: false };
}

/** Stands before everything else. @param isChinese the language of the conversation */
export function toolInstructions(fields: ChatPromptFields, mode: ToolMode, isChinese: boolean): string {
  const tools = fields.tools ?? [];
  const shown = mode.kind === 'arguments' ? tools.filter((tool) => tool.function.name === mode.name) : tools;
  const list = shown.map(({ function: { name, description, parameters } }) =>
    JSON.stringify({ name, ...(description !== undefined && { description }), parameters: parameters ?? {} }),
  );
  const text = isChinese ? chineseText : englishText;
  return [text.tools, ...list, text[mode.kind === 'none' ? 'auto' : mode.kind]].join('\n');
}

const { start: CALL_START, end: CALL_END } = HERMES_CALLS;
const example = '{"name": "…", "arguments": {…}}';

const chineseText = {
  tools: '你可以使用下列工具，每行一个，参数用 JSON Schema 说明：',
  auto: `需要调用工具时，只回答 ${CALL_START}${example}${CALL_END}，不要写别的内容；不需要工具时，直接回答。工具的结果写在 <tool_response> 里。`,
  calls: `请调用合适的工具，只回答 ${example}。`,
  arguments: '请调用这个工具，只回答参数的 JSON。',
};

const englishText = {
  tools: 'You can use these tools, one a line, their parameters as JSON Schema:',
  auto: `To call a tool, answer with ${CALL_START}${example}${CALL_END} and nothing else. Where no tool is needed, just answer. Results of tools stand in <tool_response>.`,
  calls: `Call the tool that fits: answer with ${example} and nothing else.`,
  arguments: 'Call this tool: answer with the JSON of its arguments and nothing else.',
};

/** The content of an assistant message with the calls that it made. */
export function assistantText(message: Extract<ApiMessage, { role: 'assistant' }>, content: string): string {
  const calls = (message.tool_calls ?? []).map(
    ({ function: { name, arguments: args } }) =>
      `${CALL_START}{"name": ${JSON.stringify(name)}, "arguments": ${args === '' ? '{}' : args}}${CALL_END}`,
  );
  return [...(content === '' ? [] : [content]), ...calls].join('\n');
}

export function toolResultText(content: string): string {
  return `<tool_response>\n${content}\n</tool_response>`;
}
