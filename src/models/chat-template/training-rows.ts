/**
 * A conversation to rows of ids in which the answers are learned. The template itself says where they are: by blocks of
 * `generation`, or by what it renders up to each answer and with it. A row holds the answers that stand in it as they stood when
 * they were given: where the template shows history in another form, the next answer has a row of its own.
 */
import { InputError } from '../../errors/index.js';
import type { RenderedTemplate, TextSpan } from '../../templates/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import { type ChatMessage, type TrainingIds, TrainingIdsBuilder } from '../chat-format.js';
import { type CutText, cutContents, encodeCut, withBorders } from './rendered-chat.js';

export interface TrainingRender {
  readonly tokenizer: Tokenizer;
  readonly stopTokenIds: readonly number[];
  readonly parsesSpecial: boolean;
  readonly answers: 'all' | 'last';
  /** The first messages, as a whole or as the prompt of an answer. */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean): RenderedTemplate;
}

/** What is learned of a text, in characters. */
interface Learned extends TextSpan {
  /** It ends with the first end token in it; else it is a block of the template's own. */
  readonly endsWithToken: boolean;
}

interface OpenRow {
  readonly rendered: RenderedTemplate;
  readonly learned: readonly Learned[];
}

/** @throws InputError for a conversation without an answer, and a template in which an answer does not follow its prompt */
export function trainingRows(messages: readonly ChatMessage[], options: TrainingRender): TrainingIds[] {
  const last = messages.length - 1;
  if (messages[last]?.role !== 'assistant')
    throw new InputError('chat template: a conversation to train on must end with an assistant message.');
  const rows: OpenRow[] = [];
  for (const [index, { role, isLearned }] of messages.entries()) {
    if (role !== 'assistant' || !(isLearned ?? (options.answers === 'all' || index === last))) continue;
    const rendered = options.render(messages.slice(0, index + 1), false);
    const learned = learnedOf(messages, index, rendered, options);
    const open = rows.at(-1);
    if (open !== undefined && rendered.text.startsWith(open.rendered.text))
      rows[rows.length - 1] = { rendered, learned: [...open.learned, ...learned] };
    else rows.push({ rendered, learned });
  }
  if (rows.length > 0) return rows.map((row) => rowIds(row, options));
  const whole = options.render(messages, false);
  return [rowIds({ rendered: whole, learned: [] }, options)];
}

/** Where the answer at `index` stands in the text that ends with it. */
function learnedOf(
  messages: readonly ChatMessage[],
  index: number,
  { text, generations }: RenderedTemplate,
  options: TrainingRender,
): Learned[] {
  const before = messages.slice(0, index);
  if (generations !== undefined && generations.length > 0) {
    const hasAnswers = before.some(({ role }) => role === 'assistant');
    const earlier = hasAnswers ? (options.render(before, false).generations?.length ?? 0) : 0;
    const own = generations.slice(earlier);
    if (own.length > 0) return own.map((span) => ({ ...span, endsWithToken: false }));
    throw new InputError(
      `chat template: it has {% generation %} blocks, and none for the answer of message ${index + 1}; ` +
        'mark the message as not to be learned ("weight": 0), or take a template that marks it.',
    );
  }
  const prompt = options.render(before, true).text;
  if (text.startsWith(prompt)) return [{ start: prompt.length, end: text.length, endsWithToken: true }];
  throw new InputError(notNested(prompt, text, index));
}

function notNested(prompt: string, text: string, index: number): string {
  let at = 0;
  while (at < prompt.length && prompt[at] === text[at]) at += 1;
  const shown = (whole: string): string => JSON.stringify(whole.slice(at, at + 40));
  return (
    `chat template: what is learned of message ${index + 1} cannot be told: its prompt and the conversation with it differ from ` +
    `character ${at + 1} on (${shown(prompt)} and ${shown(text)}); a template with {% generation %} blocks says what the ` +
    'assistant wrote.'
  );
}

function rowIds({ rendered, learned }: OpenRow, options: TrainingRender): TrainingIds {
  const { tokenizer, stopTokenIds, parsesSpecial } = options;
  const stops = new Set(stopTokenIds);
  const places = [...new Set(learned.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const { ids, borders } = withTokenBorders(
    cutContents(rendered, tokenizer, parsesSpecial),
    places,
    tokenizer,
  );
  const row = new TrainingIdsBuilder();
  let done = 0;
  for (const { start, end, endsWithToken } of learned) {
    const from = borders.get(start) ?? 0;
    let to = borders.get(end) ?? ids.length;
    const stop = ids.findIndex((id, at) => at >= from && at < to && stops.has(id));
    // The end token is learned: it is the last thing that the model says, or stands right behind its block.
    if (endsWithToken && stop >= 0) to = stop + 1;
    else if (!endsWithToken && stop < 0 && stops.has(ids[to] ?? -1)) to += 1;
    if (from > done) row.push(ids.slice(done, from), false);
    if (to > from) row.push(ids.slice(from, to), true);
    done = to;
  }
  if (done < ids.length) row.push(ids.slice(done), false);
  return row;
}

interface BorderedIds {
  readonly ids: readonly number[];
  /** Number of ids before each place. */
  readonly borders: ReadonlyMap<number, number>;
}

/**
 * The text up to each place is encoded too, as it is when an answer is to be given: its ids must be the first of the row. Where a
 * token would go on over a place, the text is cut there, as it is between a prompt and its answer.
 */
function withTokenBorders(text: CutText, places: readonly number[], tokenizer: Tokenizer): BorderedIds {
  let current = text;
  let ids = encodeCut(current, tokenizer);
  const borders = new Map<number, number>();
  for (const place of places) {
    if (place === text.text.length) {
      borders.set(place, ids.length);
      continue;
    }
    const prefix = encodeCut(current, tokenizer, place);
    if (!isPrefix(prefix, ids)) {
      current = withBorders(current, [place]);
      ids = encodeCut(current, tokenizer);
      if (!isPrefix(prefix, ids))
        throw new InputError(
          `chat template: its text cannot be parted at character ${place + 1} (before ` +
            `${JSON.stringify(text.text.slice(place, place + 40))}) without changing the tokens before it.`,
        );
    }
    borders.set(place, prefix.length);
  }
  return { ids, borders };
}

function isPrefix(prefix: readonly number[], ids: readonly number[]): boolean {
  return prefix.length <= ids.length && prefix.every((id, index) => id === ids[index]);
}
