/** `<User> question<end><Bot> answer<end>`, a prompt being encoded as one text. */
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

const END = '<end>';

function questionText(question: string): string {
  return `<User> ${question}${END}<Bot> `;
}

function promptText(system: string | undefined, rounds: readonly Round[]): string {
  return rounds
    .map(({ question, answer }, index) => {
      const asked = questionText(index === 0 ? withSystem(system, question) : question);
      return answer === undefined ? asked : asked + answer + END;
    })
    .join('');
}

const format: Omit<ChatFormat, 'renderTrainingRows'> = {
  renderPrompt(messages, tokenizer, { maxLength } = {}) {
    const { system, rounds } = parsePrompt('spark', messages);
    const render = (kept: readonly Round[]): number[] => tokenizer.encode(promptText(system, kept));
    const ids = keepNewest(rounds, maxLength, render);
    if (ids === undefined) throw tooLong('spark', render(rounds.slice(-1)).length, maxLength);
    return ids;
  },

  renderTraining(messages, tokenizer, { answers = 'all' } = {}) {
    const { system, rounds } = parseTraining('spark', messages, answers);
    const end = requireToken('spark', tokenizer, END);
    const row = new TrainingIdsBuilder();
    for (const [index, { question, answer, isLearned }] of rounds.entries()) {
      row.push(tokenizer.encode(questionText(index === 0 ? withSystem(system, question) : question)), false);
      row.push([...tokenizer.encode(answer), end], isLearned);
    }
    return row;
  },

  stopTokenIds(tokenizer) {
    return [requireToken('spark', tokenizer, END)];
  },
};

export const sparkChat = withLiteralContents(format, ['<User>', '<Bot>', END, '<ret>']);
