/** {"input": "<_user>q1<_bot>a1<_user>q2", "output": "a2"}, as TeleChat publishes single- and multi-turn samples. */
import type { ChatMessage } from '../../models/index.js';
import { dialogue, FormFault, type ReadForm, requireText } from './form.js';

const USER = '<_user>';
const BOT = '<_bot>';

export const readTelechat: ReadForm = (record) => {
  const input = requireText(record, 'input');
  const output = requireText(record, 'output');
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
    return [
      { role: 'user', content: question },
      { role: 'assistant', content: isLast ? output : answer },
    ];
  });
  return dialogue(messages);
};
