/** {"instruction", "input"?, "output", "history"?: [[question, answer], …], "system"?}, as Alpaca and its successors. */
import type { ChatMessage } from '../../models/index.js';
import {
  dialogue,
  type FormOptions,
  type JsonRecord,
  optionalText,
  type ReadForm,
  requireAnswer,
  requireText,
  wrongType,
} from './form.js';
import { learnedByRecord } from './learned-keys.js';

export const readAlpaca: ReadForm = (record, options) => {
  const prompt = readAlpacaPrompt(record, options);
  const messages: ChatMessage[] = [
    ...prompt,
    { role: 'assistant', content: requireAnswer(record, 'output') },
  ];
  return dialogue(markAnswers(messages, learnedByRecord(record)));
};

/** All that comes before the answer. */
export function readAlpacaPrompt(
  record: JsonRecord,
  { inputSeparator = '\n' }: FormOptions,
): readonly ChatMessage[] {
  const instruction = requireText(record, 'instruction');
  const input = optionalText(record, 'input');
  const system = optionalText(record, 'system');
  const parts = [instruction, input].filter((part) => part !== undefined && part !== '');
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    ...readHistory(record.history),
    { role: 'user', content: parts.join(inputSeparator) },
  ];
}

/** @param isLearned what the record says of all its answers */
export function markAnswers(
  messages: readonly ChatMessage[],
  isLearned: boolean | undefined,
): readonly ChatMessage[] {
  if (isLearned === undefined) return messages;
  return messages.map((message) => {
    if (message.role !== 'assistant') return message;
    return { ...message, isLearned: message.isLearned ?? isLearned };
  });
}

function readHistory(history: unknown): ChatMessage[] {
  if (history === undefined || history === null) return [];
  if (!Array.isArray(history)) throw wrongType('history', 'a list of [question, answer]', history);
  return history.flatMap((round: unknown, index): ChatMessage[] => {
    const [question, answer] = Array.isArray(round) && round.length === 2 ? (round as unknown[]) : [];
    if (typeof question !== 'string' || typeof answer !== 'string')
      throw wrongType(`history[${index}]`, '[question, answer]', round);
    return [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ];
  });
}
