/** Lists of turns, with the names that the published sets give to roles and keys. */
import type { ChatMessage, ChatRole } from '../../models/index.js';
import {
  FormFault,
  isRecord,
  type JsonRecord,
  missingKey,
  optionalText,
  requireText,
  wrongType,
} from './form.js';
import { learnedByTurn } from './learned-keys.js';
import { callOf, extrasOf } from './tool-turns.js';

const ROLES: ReadonlyMap<string, ChatRole> = new Map([
  ['system', 'system'],
  ['user', 'user'],
  ['human', 'user'],
  ['prompter', 'user'],
  ['assistant', 'assistant'],
  ['gpt', 'assistant'],
  ['chatgpt', 'assistant'],
  ['bot', 'assistant'],
  ['bard', 'assistant'],
  ['model', 'assistant'],
]);

/** Of a tool's calls and answers; the families' own formats have no place for them. */
const TOOL_ROLES = new Set([
  'tool',
  'function',
  'function_call',
  'observation',
  'tool_call',
  'tool_response',
]);
const CALL_ROLES = new Set(['function_call', 'tool_call']);

/** Each turn {"from", "value"} or {"role", "content"}; a top-level "system" text comes first. */
export function readTurns(
  record: JsonRecord,
  key: string,
  turns: readonly unknown[],
  keepsTools: boolean,
): ChatMessage[] {
  const system = optionalText(record, 'system');
  const messages = turns.map((turn, index) => readTurn(turn, `${key}[${index}]`, keepsTools));
  return system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
}

function readTurn(turn: unknown, path: string, keepsTools: boolean): ChatMessage {
  if (!isRecord(turn)) throw wrongType(path, 'an object', turn);
  const calls = ['tool_calls', 'function_call'].find((key) => !isEmpty(turn[key]));
  if (calls !== undefined && !keepsTools)
    throw new FormFault(
      'tool calls',
      `\`${path}.${calls}\`: tool calls need a chat template that has a place for them (--chat-template); name one, or leave the record out`,
    );
  const isShareGpt = Object.hasOwn(turn, 'from');
  const name = requireText(turn, isShareGpt ? 'from' : 'role', `${path}.${isShareGpt ? 'from' : 'role'}`);
  const key = isShareGpt ? 'value' : 'content';
  if (keepsTools && CALL_ROLES.has(name)) return callTurn(turn, key, path);
  const role = readRole(name, path, keepsTools);
  const more = keepsTools ? extrasOf(turn, path) : undefined;
  // A system message that says nothing is none; formats leave it out.
  if (role === 'system' && (turn[key] === null || turn[key] === undefined)) return { role, content: '' };
  const isAnswer = role === 'assistant';
  const isLearned = learnedByTurn(turn, path, isAnswer);
  // Null is an answer that is not there.
  const isAbsent = turn[key] === null || (turn[key] === undefined && more?.tool_calls !== undefined);
  const content = isAnswer && isAbsent ? '' : readContent(turn, key, `${path}.${key}`);
  return {
    role,
    content,
    ...(isAnswer && isLearned !== undefined && { isLearned }),
    ...(more !== undefined && { more }),
  };
}

/** Of ShareGPT: the call is the text of the turn. */
function callTurn(turn: JsonRecord, key: string, path: string): ChatMessage {
  const isLearned = learnedByTurn(turn, path, true);
  const place = `${path}.${key}`;
  const calls = [callOf(requireText(turn, key, place), place)];
  return {
    role: 'assistant',
    content: '',
    ...(isLearned !== undefined && { isLearned }),
    more: { tool_calls: calls },
  };
}

function readRole(name: string, path: string, keepsTools: boolean): ChatRole {
  const role = ROLES.get(name.toLowerCase());
  if (role !== undefined) return role;
  if (keepsTools && TOOL_ROLES.has(name)) return 'tool';
  if (TOOL_ROLES.has(name))
    throw new FormFault(
      'tool calls',
      `\`${path}\` is from "${name}": tool calls need a chat template that has a place for them (--chat-template); name one, or leave the record out`,
    );
  throw new FormFault(
    'unknown role',
    `\`${path}\` has the role ${JSON.stringify(name.slice(0, 40))}; known: ${[...ROLES.keys()].join(', ')}`,
  );
}

/** A text, or OpenAI's list of {"type": "text", "text"} parts. */
function readContent(turn: JsonRecord, key: string, path: string): string {
  const content = turn[key];
  if (typeof content === 'string') return content;
  if (content === undefined) throw missingKey(turn, path);
  if (!Array.isArray(content)) throw wrongType(path, 'a text', content);
  return content
    .map((part: unknown, index) => {
      if (isRecord(part) && part.type === 'text' && typeof part.text === 'string') return part.text;
      throw wrongType(
        `${path}[${index}]`,
        'a part {"type": "text", "text"}',
        isRecord(part) ? part.type : part,
      );
    })
    .join('');
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
