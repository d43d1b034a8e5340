/** A conversation in one text, as Anthropic's HH-RLHF writes it: "\n\nHuman: …\n\nAssistant: …". */
import type { ChatMessage } from '../../models/index.js';
import { FormFault } from '../forms/form.js';

const MARK = /\n\n(Human|Assistant):/;

/** @throws FormFault for a text that does not begin with a mark */
export function readHumanAssistant(text: string, key: string): readonly ChatMessage[] {
  const [before = '', ...parts] = `\n\n${text.trimStart()}`.split(MARK);
  if (parts.length === 0 || before.trim() !== '')
    throw new FormFault(
      'missing key',
      `missing \`prompt\`; \`${key}\` is a text that does not begin with "Human:", as one with the prompt in it does`,
    );
  return Array.from({ length: parts.length / 2 }, (_, index): ChatMessage => {
    const [speaker, content = ''] = parts.slice(2 * index, 2 * index + 2);
    return { role: speaker === 'Human' ? 'user' : 'assistant', content: content.trim() };
  });
}
