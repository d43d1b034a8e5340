/** `Human: question\n\nAssistant: answer` and the end token; each message is encoded on its own. */
import { InputError } from '../../errors/index.js';
import type { Tokenizer } from '../../tokenizers/index.js';
import {
  type ChatFormat,
  keepNewest,
  parsePrompt,
  parseTraining,
  type Round,
  TrainingIdsBuilder,
  withLiteralContents,
  withSystem,
} from '../chat-format.js';

const ASSISTANT = 'Assistant: ';

function questionText(question: string): string {
  return `Human: ${question}\n\n`;
}

/** @param endTokenIds of the config, the first of which is written; none: what the tokenizer calls its end token */
export function xverseChat(endTokenIds: readonly number[]): ChatFormat {
  const endToken = (tokenizer: Tokenizer): number => {
    const id = endTokenIds[0] ?? tokenizer.eosTokenId;
    if (id === undefined)
      throw new InputError(
        'xverse chat: neither the config nor the tokenizer names an end token (eos_token_id).',
      );
    return id;
  };
  return withLiteralContents({
    renderPrompt(messages, tokenizer, { maxLength } = {}) {
      const { system, rounds } = parsePrompt('xverse', messages);
      const end = endToken(tokenizer);
      const render = (kept: readonly Round[]): number[] =>
        kept.flatMap(({ question, answer }, index) => {
          const asked = questionText(index === 0 ? withSystem(system, question) : question);
          return answer === undefined
            ? tokenizer.encode(asked + ASSISTANT)
            : [...tokenizer.encode(asked), ...tokenizer.encode(ASSISTANT + answer), end];
        });
      // An overlong question loses its left end, as published.
      return keepNewest(rounds, maxLength, render) ?? render(rounds.slice(-1)).slice(-(maxLength ?? 0));
    },

    /** Question and answer apart, so that an answer begins with the tokens that the model will generate. */
    renderTraining(messages, tokenizer, { answers = 'all' } = {}) {
      const { system, rounds } = parseTraining('xverse', messages, answers);
      const end = endToken(tokenizer);
      const row = new TrainingIdsBuilder();
      for (const [index, { question, answer, isLearned }] of rounds.entries()) {
        const asked = questionText(index === 0 ? withSystem(system, question) : question);
        row.push(tokenizer.encode(asked + ASSISTANT), false);
        row.push([...tokenizer.encode(answer), end], isLearned);
      }
      return row;
    },

    stopTokenIds(tokenizer) {
      return endTokenIds.length > 0 ? [...endTokenIds] : [endToken(tokenizer)];
    },
  });
}
