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

/** Of a tool's calls and answers; a family here has no place for them. */
const TOOL_ROLES = new Set([
  'tool',
  'function',
  'function_call',
  'observation',
  'tool_call',
  'tool_response',
]);

/** Each turn {"from", "value"} or {"role", "content"}; a top-level "system" text comes first. */
export function readTurns(record: JsonRecord, key: string, turns: readonly unknown[]): ChatMessage[] {
  const system = optionalText(record, 'system');
  const messages = turns.map((turn, index) => readTurn(turn, `${key}[${index}]`));
  return system === undefined ? messages : [{ role: 'system', content: system }, ...messages];
}

function readTurn(turn: unknown, path: string): ChatMessage {
  if (!isRecord(turn)) throw wrongType(path, 'an object', turn);
  const calls = ['tool_calls', 'function_call'].find((key) => !isEmpty(turn[key]));
  if (calls !== undefined)
    throw new FormFault(
      'tool calls',
      `\`${path}.${calls}\`: tool calls cannot be trained on; leave the record out`,
    );
  const isShareGpt = Object.hasOwn(turn, 'from');
  const role = readRole(
    requireText(turn, isShareGpt ? 'from' : 'role', `${path}.${isShareGpt ? 'from' : 'role'}`),
    path,
  );
  const key = isShareGpt ? 'value' : 'content';
  // A system message that says nothing is none; formats leave it out.
  if (role === 'system' && (turn[key] === null || turn[key] === undefined)) return { role, content: '' };
  const isAnswer = role === 'assistant';
  const isLearned = learnedByTurn(turn, path, isAnswer);
  // Null is an answer that is not there.
  const content = isAnswer && turn[key] === null ? '' : readContent(turn, key, `${path}.${key}`);
  return isAnswer && isLearned !== undefined ? { role, content, isLearned } : { role, content };
}

function readRole(name: string, path: string): ChatRole {
  const role = ROLES.get(name.toLowerCase());
  if (role !== undefined) return role;
  if (TOOL_ROLES.has(name))
    throw new FormFault(
      'tool calls',
      `\`${path}\` is from "${name}": tool calls cannot be trained on; leave the record out`,
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
