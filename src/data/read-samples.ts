/** Files of records to token rows, by the family's chat format. */
import { z } from 'zod';
import { parseConfig } from '../config/index.js';
import { InputError } from '../errors/index.js';
import { readJsonLines } from '../formats/index.js';
import type { ChatFormat, ChatMessage } from '../models/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import type { Row } from './rows.js';

/**
 * - messages: {"messages": [{"role": "user" | "assistant" | "system", "content": …}, …]}
 * - telechat: {"input": "<_user>q1<_bot>a1<_user>q2", "output": "a2"}
 */
export type ChatForm = 'messages' | 'telechat';

const messagesRecord = z.object({
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })).min(2),
});

const telechatRecord = z.object({ input: z.string(), output: z.string() });

const textRecord = z.object({ text: z.string() });

/** The dialogues of a JSONL file. @throws InputError with file and line for a record of another form */
export function* readDialogues(path: string, form: ChatForm): Generator<ChatMessage[]> {
  for (const { line, value } of readJsonLines(path)) {
    const source = `${path}:${line}`;
    yield form === 'messages'
      ? parseConfig(messagesRecord, value, { source }).messages
      : splitTelechat(parseConfig(telechatRecord, value, { source }), source);
  }
}

/** The texts of a JSONL file of {"text": …}. */
export function* readTexts(path: string): Generator<string> {
  for (const { line, value } of readJsonLines(path))
    yield parseConfig(textRecord, value, { source: `${path}:${line}` }).text;
}

const USER = '<_user>';
const BOT = '<_bot>';

function splitTelechat({ input, output }: z.output<typeof telechatRecord>, source: string): ChatMessage[] {
  // Single-turn records may leave the first marker away.
  const turns = (input.startsWith(USER) ? input.slice(USER.length) : input).split(USER);
  return turns.flatMap((turn, index): ChatMessage[] => {
    const isLast = index === turns.length - 1;
    const parts = turn.split(BOT);
    const [question = '', answer] = parts;
    // The last turn may close with the marker under which the output continues.
    const bare = isLast ? parts.slice(1).every((part) => part === '') : parts.length === 2;
    if (!bare)
      throw new InputError(
        `${source}: turn ${index + 1} of "input" is not <_user>question<_bot>answer (the last one <_user>question).`,
      );
    return [
      { role: 'user', content: question },
      { role: 'assistant', content: isLast ? output : (answer ?? '') },
    ];
  });
}

/** One row for each dialogue, masked as the family's format says. */
export function renderDialogues(
  dialogues: Iterable<readonly ChatMessage[]>,
  format: ChatFormat,
  tokenizer: Tokenizer,
): Row[] {
  return Array.from(dialogues, (messages) => format.renderTraining(messages, tokenizer));
}
