/** A chat format out of a chat template. */
import { InputError } from '../../errors/index.js';
import {
  ChatTemplate,
  type RenderedTemplate,
  TemplateError,
  type TemplateValues,
} from '../../templates/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import {
  type ChatFormat,
  type ChatMessage,
  keepNewest,
  type SpecialTokenOptions,
  type TrainingIds,
  tooLong,
} from '../chat-format.js';
import { printsArguments, withTextArguments } from './call-arguments.js';
import { conversationValues, shownMessages, tokenValues } from './conversation-values.js';
import { cutContents, encodeCut } from './rendered-chat.js';
import { trainingRows } from './training-rows.js';

export interface TemplateChatOptions {
  /** End every answer, as the model's config and generation_config.json say; what the template writes at the end is added. */
  readonly endTokenIds?: readonly number[] | undefined;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly values?: TemplateValues | undefined;
  /** Where the template stands, for messages. Default "chat template". */
  readonly source?: string | undefined;
  /** Takes the place of the template where there are tools. Default: the same for all. */
  readonly toolTemplate?: string | undefined;
}

/** @throws InputError for a template that cannot be read, naming the line */
export function templateChat(text: string, options: TemplateChatOptions = {}): ChatFormat {
  const { source = 'chat template' } = options;
  const { toolTemplate } = options;
  return placed(source, () => {
    const template = new ChatTemplate(text);
    const forTools = toolTemplate === undefined ? template : new ChatTemplate(toolTemplate);
    return new TemplateChat(template, forTools, { ...options, source });
  });
}

class TemplateChat implements ChatFormat {
  readonly #template: ChatTemplate;
  readonly #toolTemplate: ChatTemplate;
  readonly #options: TemplateChatOptions & { readonly source: string };
  readonly #stops = new WeakMap<Tokenizer, readonly number[]>();

  constructor(
    template: ChatTemplate,
    toolTemplate: ChatTemplate,
    options: TemplateChatOptions & { readonly source: string },
  ) {
    this.#template = template;
    this.#toolTemplate = toolTemplate;
    this.#options = options;
  }

  renderPrompt: ChatFormat['renderPrompt'] = (messages, tokenizer, options = {}) => {
    const { maxLength, parsesSpecial } = options;
    const encode = (kept: readonly ChatMessage[]): number[] => {
      const rendered = this.#render(kept, tokenizer, options, true);
      return encodeCut(cutContents(rendered, tokenizer, parsesSpecial), tokenizer);
    };
    if (messages.length === 0) throw new InputError('chat: there is no message; give at least one.');
    if (maxLength === undefined) return encode(messages);
    const { system, rounds } = roundsOf(messages);
    const kept = keepNewest(rounds, maxLength, (units) => encode([...system, ...units.flat()]));
    if (kept !== undefined) return kept;
    const newest = encode([...system, ...(rounds.at(-1) ?? [])]);
    throw tooLong('chat template', newest.length, maxLength);
  };

  renderTraining: ChatFormat['renderTraining'] = (messages, tokenizer, options = {}) => {
    const rows = this.renderTrainingRows(messages, tokenizer, options);
    const [row] = rows;
    if (row !== undefined && rows.length === 1) return row;
    throw new InputError(
      `chat template: it shows answers in another form once they are history, so that this conversation takes ${rows.length} rows; ` +
        'learn the last answer alone.',
    );
  };

  renderTrainingRows: ChatFormat['renderTrainingRows'] = (
    messages,
    tokenizer,
    options = {},
  ): readonly TrainingIds[] => {
    const thinking = messages.findIndex(({ more }) => !isNothing(more?.reasoning_content));
    if (thinking >= 0)
      refuseUnless(
        this.#template,
        'reasoning_content',
        `the thoughts of message ${thinking + 1}`,
        this.#options.source,
      );
    return trainingRows(messages, {
      tokenizer,
      stopTokenIds: this.stopTokenIds(tokenizer),
      parsesSpecial: options.parsesSpecial ?? false,
      answers: options.answers ?? 'all',
      render: (first, addGenerationPrompt) => this.#render(first, tokenizer, options, addGenerationPrompt),
    });
  };

  stopTokenIds: ChatFormat['stopTokenIds'] = (tokenizer) => {
    const known = this.#stops.get(tokenizer);
    if (known !== undefined) return [...known];
    const { endTokenIds = [] } = this.#options;
    const written = this.#endOfTurn(tokenizer);
    const all = [...written, ...endTokenIds, tokenizer.eosTokenId].filter((id) => id !== undefined);
    const stops = [...new Set(all)];
    this.#stops.set(tokenizer, stops);
    return [...stops];
  };

  /** The special token that the template puts behind an answer, if it does. */
  #endOfTurn(tokenizer: Tokenizer): number[] {
    const probe = 'Xinghe';
    let text: string;
    try {
      const turn: ChatMessage[] = [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: probe },
      ];
      text = this.#render(turn, tokenizer, {}, false).text;
    } catch (error) {
      // It wants another kind of conversation, and will say so when it gets one.
      if (error instanceof InputError) return [];
      throw error;
    }
    const rest = text.slice(text.lastIndexOf(probe) + probe.length).trimStart();
    const [id] = text.includes(probe) ? tokenizer.encode(rest) : [];
    const isSpecial = id !== undefined && tokenizer.decode([id], { skipSpecialTokens: true }) === '';
    return isSpecial && rest.startsWith(tokenizer.idToToken(id)) ? [id] : [];
  }

  #render(
    messages: readonly ChatMessage[],
    tokenizer: Tokenizer,
    { tools }: SpecialTokenOptions,
    addGenerationPrompt: boolean,
  ): RenderedTemplate {
    const { source, values, endTokenIds = [] } = this.#options;
    const given = conversationValues(messages, { tools, values, addGenerationPrompt });
    const template = tools === undefined ? this.#template : this.#toolTemplate;
    refuseUnshown(template, messages, tools, source);
    const own = tokenValues(tokenizer, endTokenIds[0]);
    return placed(source, () => renderCalls(template, given, shownMessages(messages), own));
  }
}

/** With arguments of calls as objects, or as JSON where the template needs texts. */
function renderCalls(
  template: ChatTemplate,
  given: TemplateValues,
  messages: readonly object[],
  own: TemplateValues,
): RenderedTemplate {
  const inTexts = withTextArguments(messages);
  if (inTexts === undefined) return template.renderMarked(given, own);
  const again = (): RenderedTemplate => template.renderMarked({ ...given, messages: inTexts }, own);
  let rendered: RenderedTemplate;
  try {
    rendered = template.renderMarked(given, own);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    try {
      return again();
    } catch {
      // The fault is another one.
      throw error;
    }
  }
  return printsArguments(rendered.text, messages) ? again() : rendered;
}

/** What a template does not show would be lost in silence. */
function refuseUnshown(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  tools: readonly unknown[] | undefined,
  source: string,
): void {
  if (!isNothing(tools)) refuseUnless(template, 'tools', 'the tools of the conversation', source);
  const calling = messages.findIndex(({ more }) => !isNothing(more?.tool_calls));
  if (calling >= 0) refuseUnless(template, 'tool_calls', `the tool calls of message ${calling + 1}`, source);
}

function refuseUnless({ source: text }: ChatTemplate, variable: string, what: string, source: string): void {
  if (new RegExp(`\\b${variable}\\b`).test(text)) return;
  throw new InputError(
    `${source}: it has no place for ${what} (there is no \`${variable}\` in it); take another template, or leave them out.`,
  );
}

function isNothing(value: unknown): boolean {
  return (
    value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
  );
}

/** Names the template in its faults. */
function placed<Result>(source: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new InputError(`${source}: ${error.message}.`);
    throw error;
  }
}

/** A round begins with a question; what stands before the first one belongs to all. */
function roundsOf(messages: readonly ChatMessage[]): {
  readonly system: readonly ChatMessage[];
  readonly rounds: readonly (readonly ChatMessage[])[];
} {
  const starts = messages.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
  const first = starts[0] ?? 0;
  return {
    system: messages.slice(0, first),
    rounds:
      starts.length === 0 ? [messages] : starts.map((start, at) => messages.slice(start, starts[at + 1])),
  };
}
