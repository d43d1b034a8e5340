/**
 * Conversations to token ids, as each family publishes it: the prompt that a model answers, and the rows that it is
 * trained on. The texts between the turns lie in the families' own chat-format.ts.
 */
import { InputError } from '../errors/index.js';
import { cutTokenizer, literalText, type Tokenizer } from '../tokenizers/index.js';

export type ChatRole = 'system' | 'user' | 'assistant' | 'tool';

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
  /** Of an answer in training: whether it is learned, whatever `answers` says. Default: as `answers` says. */
  readonly isLearned?: boolean | undefined;
  /** What else a message has, under its published names, for chat templates: `tool_calls`, `reasoning_content`, … */
  readonly more?: Readonly<Record<string, unknown>> | undefined;
}

export interface SpecialTokenOptions {
  /** Names of special tokens within a message become these tokens. Default false: they are text like any other. */
  readonly parsesSpecial?: boolean | undefined;
  /** What the model may call, as OpenAI lists tools. For chat templates; the families' own formats refuse them. */
  readonly tools?: readonly unknown[] | undefined;
}

export interface PromptOptions extends SpecialTokenOptions {
  /** Most tokens that the prompt may have (see `promptLimit`): the oldest history is left out. Default: no limit. */
  readonly maxLength?: number | undefined;
}

export interface TrainingOptions extends SpecialTokenOptions {
  /** Which answers are learned. Default: as the family's recipe was published. */
  readonly answers?: 'all' | 'last' | undefined;
}

export interface TrainingIds {
  readonly ids: readonly number[];
  /** For each id: 1 where predicting it is learned (an answer with its end token), else 0. */
  readonly lossMask: readonly number[];
  /** The same in stretches, for who copies them elsewhere. */
  readonly spans: readonly TrainingSpan[];
}

export interface TrainingSpan {
  readonly ids: readonly number[];
  readonly isLearned: boolean;
}

export interface ChatFormat {
  /**
   * Ids that end where the answer begins.
   * @param messages optionally a system message, then user and assistant in turns, a user message last
   * @throws InputError for other roles and orders, a tokenizer without the family's tokens, a message too long
   */
  renderPrompt(messages: readonly ChatMessage[], tokenizer: Tokenizer, options?: PromptOptions): number[];
  /**
   * A whole conversation that ends with an answer.
   * @throws InputError as `renderPrompt`, and where one row cannot hold what it teaches (see `renderTrainingRows`)
   */
  renderTraining(
    messages: readonly ChatMessage[],
    tokenizer: Tokenizer,
    options?: TrainingOptions,
  ): TrainingIds;
  /**
   * The same in as many rows as it takes: more than one where an answer is shown in another form once it is history (Qwen3 leaves
   * out what was thought). No answer is learned twice. @throws InputError as `renderPrompt`
   */
  renderTrainingRows(
    messages: readonly ChatMessage[],
    tokenizer: Tokenizer,
    options?: TrainingOptions,
  ): readonly TrainingIds[];
  /** Any of these ends an answer. @throws InputError for a tokenizer without them */
  stopTokenIds(tokenizer: Tokenizer): number[];
}

/**
 * What holds for every family: an empty system message is none, and what a message says is text, even where it spells a
 * special token or a mark of the format.
 * @param marks of the format, where these are ordinary text to the tokenizer
 */
export function withLiteralContents(
  format: Omit<ChatFormat, 'renderTrainingRows'>,
  marks: readonly string[] = [],
): ChatFormat {
  const prepare = (
    messages: readonly ChatMessage[],
    tokenizer: Tokenizer,
    { parsesSpecial, tools }: SpecialTokenOptions,
  ): readonly [readonly ChatMessage[], Tokenizer] => {
    refuseTools(messages, tools);
    const told = messages.filter(({ role, content }) => role !== 'system' || content !== '');
    if (parsesSpecial === true) return [told, tokenizer];
    const literal = told.map((message) => ({
      ...message,
      content: literalText(message.content, tokenizer, marks),
    }));
    const isPlain = literal.every(({ content }, index) => content === told[index]?.content);
    return isPlain ? [told, tokenizer] : [literal, cutTokenizer(tokenizer, marks)];
  };
  const renderTraining: ChatFormat['renderTraining'] = (messages, tokenizer, options = {}) =>
    format.renderTraining(...prepare(messages, tokenizer, options), options);
  return {
    renderPrompt: (messages, tokenizer, options = {}) =>
      format.renderPrompt(...prepare(messages, tokenizer, options), options),
    renderTraining,
    renderTrainingRows: (...given) => [renderTraining(...given)],
    stopTokenIds: (tokenizer) => format.stopTokenIds(tokenizer),
  };
}

/** @throws InputError for what only a chat template has a place for */
function refuseTools(messages: readonly ChatMessage[], tools: readonly unknown[] | undefined): void {
  const calling = messages.findIndex(({ more }) => more?.tool_calls !== undefined);
  const what =
    tools !== undefined ? 'the tools' : calling < 0 ? undefined : `the tool calls of message ${calling + 1}`;
  if (what === undefined) return;
  throw new InputError(
    `chat: the family's own format has no place for ${what}; name a chat template that has one (--chat-template).`,
  );
}

/** Of a family whose models bring their own template. Every use is an InputError that says so. */
export function missingChatFormat(family: string): ChatFormat {
  const refuse = (): never => {
    throw new InputError(
      `${family} chat: this family has no chat format of its own; a model of it brings a chat template ` +
        '(chat_template.jinja, or chat_template in tokenizer_config.json).',
    );
  };
  return {
    renderPrompt: refuse,
    renderTraining: refuse,
    renderTrainingRows: refuse,
    stopTokenIds: refuse,
  };
}

/** Tokens left for a prompt: room for the answer is kept, at most half of the context. */
export function promptLimit(contextLength: number, maxNewTokens: number): number {
  return Math.max(contextLength - maxNewTokens, Math.floor(contextLength / 2));
}

/** The text of an answer: up to the first stop token. */
export function answerText(format: ChatFormat, ids: readonly number[], tokenizer: Tokenizer): string {
  const stops = new Set(format.stopTokenIds(tokenizer));
  const end = ids.findIndex((id) => stops.has(id));
  return tokenizer.decode(end < 0 ? ids : ids.slice(0, end), { skipSpecialTokens: true });
}

// For the families ---------------------------------------------------------------------------------------------

export interface Round {
  readonly question: string;
  /** undefined: the one to be given. */
  readonly answer: string | undefined;
}

/** Checked messages. */
export interface Conversation {
  readonly system: string | undefined;
  /** At least one; only the last may be without an answer. */
  readonly rounds: readonly Round[];
}

export function parsePrompt(family: string, messages: readonly ChatMessage[]): Conversation {
  const conversation = parseConversation(family, messages);
  if (conversation.rounds.at(-1)?.answer !== undefined)
    throw new InputError(`${family} chat: the last message must be the user's, got an assistant message.`);
  return conversation;
}

/** A round to train on. */
export interface TrainingRound {
  readonly question: string;
  readonly answer: string;
  readonly isLearned: boolean;
}

/** Of each answer, in order: whether it is learned. @param answers those that are, where a message does not say it itself */
export function learnedAnswers(messages: readonly ChatMessage[], answers: 'all' | 'last'): boolean[] {
  return messages
    .filter(({ role }) => role === 'assistant')
    .map(({ isLearned }, index, all) => isLearned ?? (answers === 'all' || index === all.length - 1));
}

/** Every round has its answer. @param answers those that are learned, where a message does not say it itself */
export function parseTraining(
  family: string,
  messages: readonly ChatMessage[],
  answers: 'all' | 'last',
): { system: string | undefined; rounds: TrainingRound[] } {
  const { system, rounds } = parseConversation(family, messages);
  const learned = learnedAnswers(messages, answers);
  return {
    system,
    rounds: rounds.map(({ question, answer }, index) => {
      if (answer !== undefined) return { question, answer, isLearned: learned[index] === true };
      throw new InputError(`${family} chat: a conversation to train on must end with an assistant message.`);
    }),
  };
}

function parseConversation(family: string, messages: readonly ChatMessage[]): Conversation {
  let system: string | undefined;
  const rounds: { question: string; answer: string | undefined }[] = [];
  for (const [index, { role, content }] of messages.entries()) {
    const open = rounds.at(-1);
    const isOpen = open !== undefined && open.answer === undefined;
    if (role === 'system' && index === 0) system = content;
    else if (role === 'user' && !isOpen) rounds.push({ question: content, answer: undefined });
    else if (role === 'assistant' && isOpen) open.answer = content;
    else throw new InputError(`${family} chat: message ${index + 1} has ${misplaced(role)}`);
  }
  if (rounds.length === 0) throw new InputError(`${family} chat: there is no user message.`);
  return { system, rounds };
}

function misplaced(role: string): string {
  switch (role) {
    case 'system':
      return 'role "system"; a system message may only be the first.';
    case 'user':
      return 'role "user" after another user message; join the two, or put the answer between them.';
    case 'assistant':
      return 'role "assistant" without a user message before it.';
    default:
      return `role ${JSON.stringify(role)}; known: "system", "user", "assistant".`;
  }
}

/** No family has a place of its own for a system text: it stands before the first question, on lines of its own. */
export function withSystem(system: string | undefined, question: string): string {
  return system === undefined ? question : `${system}\n${question}`;
}

/** The ids of the longest row of newest units within the limit; undefined if the last one alone is too long. */
export function keepNewest<Unit>(
  units: readonly Unit[],
  limit: number | undefined,
  render: (units: readonly Unit[]) => number[],
): number[] | undefined {
  const whole = render(units);
  if (limit === undefined || whole.length <= limit) return whole;
  let best: number[] | undefined;
  let low = 1;
  let high = units.length - 1;
  while (low <= high) {
    const count = (low + high) >> 1;
    const ids = render(units.slice(-count));
    if (ids.length <= limit) {
      best = ids;
      low = count + 1;
    } else high = count - 1;
  }
  return best;
}

export function tooLong(family: string, length: number, limit: number | undefined): InputError {
  return new InputError(
    `${family} chat: the last message makes a prompt of ${length} tokens, ${limit} fit; ` +
      'shorten it, ask for a shorter answer, or allow a longer context.',
  );
}

/** The id of a token that the format cannot do without. */
export function requireToken(family: string, tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokenToId(token);
  if (id !== undefined) return id;
  throw new InputError(
    `${family} chat: the tokenizer has no token ${token}; it belongs to another model, or needs that token added.`,
  );
}

/** Gathers spans of a training row. */
export class TrainingIdsBuilder implements TrainingIds {
  readonly spans: TrainingSpan[] = [];
  #ids: readonly number[] | undefined;
  #lossMask: readonly number[] | undefined;

  get ids(): readonly number[] {
    this.#ids ??= this.spans.flatMap(({ ids }) => ids);
    return this.#ids;
  }

  get lossMask(): readonly number[] {
    this.#lossMask ??= this.spans.flatMap(({ ids, isLearned }) => ids.map(() => (isLearned ? 1 : 0)));
    return this.#lossMask;
  }

  push(ids: readonly number[], isLearned: boolean): void {
    this.spans.push({ ids, isLearned });
  }
}
