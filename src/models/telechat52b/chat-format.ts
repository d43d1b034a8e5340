/**
 * `<_user>question<_bot>answer<_end>`. The marks are no tokens of this tokenizer but ordinary text, which merges with
 * its neighbours: a prompt is one text. Only the last answer ends with a token, `</s>`.
 */
import {
  type ChatFormat,
  keepNewest,
  parsePrompt,
  parseTraining,
  type Round,
  requireToken,
  TrainingIdsBuilder,
  tooLong,
  withLiteralContents,
  withSystem,
} from '../chat-format.js';

const END_OF_TEXT = '</s>';
const END_OF_ANSWER = '<_end>';

function questionText(question: string): string {
  return `<_user>${question}<_bot>`;
}

function promptText(system: string | undefined, rounds: readonly Round[]): string {
  return rounds
    .map(({ question, answer }, index) => {
      const asked = questionText(index === 0 ? withSystem(system, question) : question);
      return answer === undefined ? asked : asked + answer + END_OF_ANSWER;
    })
    .join('');
}

const format: Omit<ChatFormat, 'renderTrainingRows'> = {
  renderPrompt(messages, tokenizer, { maxLength } = {}) {
    const { system, rounds } = parsePrompt('telechat52b', messages);
    const render = (kept: readonly Round[]): number[] => tokenizer.encode(promptText(system, kept));
    const ids = keepNewest(rounds, maxLength, render);
    if (ids === undefined) throw tooLong('telechat52b', render(rounds.slice(-1)).length, maxLength);
    return ids;
  },

  /** In spans, as published: each question and each answer is encoded on its own. */
  renderTraining(messages, tokenizer, { answers = 'last' } = {}) {
    const { system, rounds } = parseTraining('telechat52b', messages, answers);
    const endOfText = requireToken('telechat52b', tokenizer, END_OF_TEXT);
    const row = new TrainingIdsBuilder();
    for (const [index, { question, answer, isLearned }] of rounds.entries()) {
      row.push(tokenizer.encode(questionText(index === 0 ? withSystem(system, question) : question)), false);
      if (index < rounds.length - 1) row.push(tokenizer.encode(answer + END_OF_ANSWER), isLearned);
      else row.push([...tokenizer.encode(answer), endOfText], isLearned);
    }
    return row;
  },

  stopTokenIds(tokenizer) {
    return [requireToken('telechat52b', tokenizer, END_OF_TEXT)];
  },
};

export const telechat52bChat = withLiteralContents(format, ['<_user>', '<_bot>', END_OF_ANSWER, END_OF_TEXT]);
