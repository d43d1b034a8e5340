/**
 * {"input": "<_user>q1<_bot>a1<_user>q2", "output": "a2"}, as TeleChat publishes single- and multi-turn samples; TeleChat2's are
 * lists of turns under "dialog".
 */
import type { ChatMessage } from '../../models/index.js';
import { markAnswers } from './alpaca.js';
import { readDialog } from './conversations.js';
import { dialogue, FormFault, type ReadForm, requireAnswer, requireText } from './form.js';
import { learnedByRecord } from './learned-keys.js';

const USER = '<_user>';
const BOT = '<_bot>';
const END = '<_end>';

export const readTelechat: ReadForm = (record, options) => {
  if (Object.hasOwn(record, 'dialog')) return readDialog(record, options);
  const input = requireText(record, 'input');
  const output = answerOf(requireAnswer(record, 'output'), 'output');
  // Single-turn records may leave the first marker away.
  const turns = (input.startsWith(USER) ? input.slice(USER.length) : input).split(USER);
  const messages = turns.flatMap((turn, index): ChatMessage[] => {
    const isLast = index === turns.length - 1;
    const parts = turn.split(BOT);
    const [question = '', answer = ''] = parts;
    // The last turn may close with the marker under which the output continues.
    const isWhole = isLast ? parts.slice(1).every((part) => part === '') : parts.length === 2;
    if (!isWhole)
      throw new FormFault(
        'order of turns',
        `turn ${index + 1} of \`input\` is not ${USER}question${BOT}answer (the last one ${USER}question)`,
      );
    refuseMarkers(question, `question ${index + 1} of \`input\``);
    return [
      { role: 'user', content: question },
      { role: 'assistant', content: isLast ? output : answerOf(answer, 'input') },
    ];
  });
  return dialogue(markAnswers(messages, learnedByRecord(record)));
};

/** The published script takes <_bot> off the begin of an output; the end is put behind every answer by the recipe. */
function answerOf(text: string, key: 'input' | 'output'): string {
  let answer = text.startsWith(BOT) ? text.slice(BOT.length) : text;
  const trimmed = answer.trimEnd();
  if (trimmed.endsWith(END)) answer = trimmed.slice(0, -END.length);
  refuseMarkers(answer, key === 'output' ? '`output`' : 'an answer in `input`');
  return answer;
}

/** A marker within a text would be learned as pieces, or end the answer there. */
function refuseMarkers(text: string, location: string): void {
  const marker = [USER, BOT, END].find((mark) => text.includes(mark));
  if (marker !== undefined)
    throw new FormFault(
      'marker in a text',
      `${location} holds ${marker} within its text; split the turns, or take it out`,
    );
}
