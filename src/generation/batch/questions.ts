/** The questions of a batch: files of records, and Spark's list on the command line. */
import { InputError } from '../../errors/index.js';
import { fileStatus, type RecordFault, readRecords } from '../../formats/index.js';
import { type ChatMessage, readMessageExtras, readTools } from '../../models/index.js';

export interface Question {
  /** Where it stands, for messages: "questions.jsonl:3". */
  readonly source: string;
  /** Or why it cannot be asked. */
  readonly content: string | readonly ChatMessage[] | InputError;
  /** What the model may call, as OpenAI lists tools; for chat templates. */
  readonly tools?: readonly unknown[] | undefined;
}

/** Keys of a text to be continued or answered, in the order in which they are looked for. */
const TEXT_KEYS = ['input', 'prompt', 'question', 'text'] as const;

const SEPARATOR = '##';

/**
 * Questions from a file of records (.jsonl, .json, .csv, .parquet, .txt; `input`, `prompt`, `question`, `text` or `messages`
 * in each), or from the text `[first##second]` itself. A record that is no question stands in its place with its fault.
 * @throws InputError for a file that cannot be read to its end, or holds no question at all (then with the first fault)
 */
export async function readQuestions(input: string): Promise<Question[]> {
  if (fileStatus(input) === undefined && input.startsWith('[') && input.endsWith(']')) return listed(input);
  const questions: Question[] = [];
  const onFault = (fault: RecordFault): void => {
    // The rest of the file is lost, and nobody knows how many questions with it.
    if (fault.reason === 'damaged file' || fault.reason === 'empty file') throw fault;
    questions.push({ source: `${input}:${fault.line}`, content: fault });
  };
  for await (const { line, value } of readRecords(input, { onFault }))
    questions.push(attempt(value, `${input}:${line}`));
  const [first] = questions;
  if (first === undefined) throw new InputError(`${input}: there is no question in it.`);
  if (first.content instanceof Error && questions.every(({ content }) => content instanceof Error))
    throw first.content;
  return questions;
}

function attempt(record: unknown, source: string): Question {
  try {
    return toQuestion(record, source);
  } catch (error) {
    if (error instanceof InputError) return { source, content: error };
    throw error;
  }
}

function listed(input: string): Question[] {
  const parts = input.slice(1, -1).split(SEPARATOR);
  return parts.map((part, index) => {
    const source = `question ${index + 1} of ${parts.length}`;
    if (part.trim() === '') throw new InputError(`${source} in "[…]" is empty.`);
    return { source, content: part };
  });
}

function toQuestion(record: unknown, source: string): Question {
  if (typeof record === 'string') return { source, content: nonEmpty(record, source) };
  if (typeof record !== 'object' || record === null)
    throw new InputError(
      `${source}: a question is an object such as {"input": "…"}, found ${JSON.stringify(record)}.`,
    );
  const messages: unknown = Reflect.get(record, 'messages');
  if (messages !== undefined) {
    const tools = placed(source, () => readTools(Reflect.get(record, 'tools')));
    return { source, content: toMessages(messages, source), ...(tools !== undefined && { tools }) };
  }
  for (const key of TEXT_KEYS) {
    const text: unknown = Reflect.get(record, key);
    if (text === undefined) continue;
    if (typeof text !== 'string')
      throw new InputError(`${source}: "${key}" is ${JSON.stringify(text)}; give a text.`);
    return { source, content: nonEmpty(text, source) };
  }
  throw new InputError(
    `${source}: none of ${[...TEXT_KEYS, 'messages'].map((key) => `"${key}"`).join(', ')} in it; ` +
      `found ${Object.keys(record).join(', ') || 'no key'}.`,
  );
}

function nonEmpty(text: string, source: string): string {
  if (text === '') throw new InputError(`${source}: the question is empty.`);
  return text;
}

function toMessages(messages: unknown, source: string): ChatMessage[] {
  if (!Array.isArray(messages)) throw new InputError(`${source}: "messages" is no list.`);
  return messages.flatMap((message: unknown, index): ChatMessage[] => {
    const part = (key: string): unknown =>
      typeof message === 'object' && message !== null ? Reflect.get(message, key) : undefined;
    const role = part('role');
    const content = part('content');
    // As in serving and in data preparation: a system message without content is none.
    if (role === 'system' && (content === undefined || content === null)) return [];
    const more = placed(source, () => readMessageExtras(Object(message), `messages[${index}]`));
    const isCall = role === 'assistant' && more?.tool_calls !== undefined;
    const text = isCall ? (content ?? '') : content;
    if (
      (role === 'system' || role === 'user' || role === 'assistant' || role === 'tool') &&
      typeof text === 'string'
    )
      return [{ role, content: text, ...(more !== undefined && { more }) }];
    throw new InputError(
      `${source}: message ${index + 1} is ${JSON.stringify(message)}; ` +
        'give {"role": "system" | "user" | "assistant" | "tool", "content": "…"}.',
    );
  });
}

function placed<Result>(source: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${source}: ${error.message}.`) : error;
  }
}
