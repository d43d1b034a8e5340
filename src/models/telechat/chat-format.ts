/** By ids: `<_user>` question `<_bot>` answer `<_end>`; each message is encoded on its own. */
import { InputError } from '../../errors/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import {
  type ChatFormat,
  keepNewest,
  parsePrompt,
  parseTraining,
  requireToken,
  TrainingIdsBuilder,
  withLiteralContents,
  withSystem,
} from '../chat-format.js';

interface TurnTokens {
  readonly user: number;
  readonly bot: number;
  readonly end: number;
}

/** 12B: 20, 21, 2; 7B: 160130, 160131, 160133. */
function turnTokens(tokenizer: Tokenizer): TurnTokens {
  return {
    user: requireToken('telechat', tokenizer, '<_user>'),
    bot: requireToken('telechat', tokenizer, '<_bot>'),
    end: requireToken('telechat', tokenizer, '<_end>'),
  };
}

interface Turn {
  readonly role: 'user' | 'bot';
  readonly text: string;
}

const format: Omit<ChatFormat, 'renderTrainingRows'> = {
  /**
   * Cut by whole messages, as published: what is left may begin with an answer, and history leaves one token of the
   * limit free.
   */
  renderPrompt(messages, tokenizer, { maxLength } = {}) {
    const { system, rounds } = parsePrompt('telechat', messages);
    const { user, bot, end } = turnTokens(tokenizer);
    const turns = rounds.flatMap(({ question, answer }): Turn[] => [
      { role: 'user', text: question },
      ...(answer === undefined ? [] : [{ role: 'bot', text: answer } as const]),
    ]);
    const render = (kept: readonly Turn[]): number[] => {
      const firstQuestion = kept.findIndex(({ role }) => role === 'user');
      const ids = kept.flatMap(({ role, text }, index) =>
        role === 'bot'
          ? [bot, ...tokenizer.encode(text), end]
          : [user, ...tokenizer.encode(index === firstQuestion ? withSystem(system, text) : text)],
      );
      return [...ids, bot];
    };
    const ids = keepNewest(turns, maxLength === undefined ? undefined : maxLength - 1, render);
    if (ids !== undefined) return ids;
    const limit = maxLength ?? 0;
    if (limit < 3)
      throw new InputError(`telechat chat: a prompt has 3 tokens at least, got a limit of ${limit}.`);
    // The question alone may fill the limit; an overlong one loses its left end.
    return [
      user,
      ...render(turns.slice(-1))
        .slice(1, -1)
        .slice(2 - limit),
      bot,
    ];
  },

  renderTraining(messages, tokenizer, { answers = 'all' } = {}) {
    const { system, rounds } = parseTraining('telechat', messages, answers);
    const { user, bot, end } = turnTokens(tokenizer);
    const row = new TrainingIdsBuilder();
    for (const [index, { question, answer, isLearned }] of rounds.entries()) {
      const asked = index === 0 ? withSystem(system, question) : question;
      row.push([user, ...tokenizer.encode(asked), bot], false);
      row.push([...tokenizer.encode(answer), end], isLearned);
    }
    return row;
  },

  stopTokenIds(tokenizer) {
    return [turnTokens(tokenizer).end];
  },
};

export const telechatChat = withLiteralContents(format, ['<_user>', '<_bot>', '<_end>']);
