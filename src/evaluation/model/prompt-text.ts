/** A prompt as one text, or as a conversation. */
import type { ChatMessage } from '../../models/index.js';
import type { Dialogue, Prompt } from '../task.js';

export function promptText(prompt: Prompt): string {
  const { system = '', header = '', shots, question, separator = '\n\n', dialogue } = prompt;
  if (dialogue !== undefined) return dialogueText(prompt, dialogue);
  const examples = shots.map((shot) => `${shot.question}${shot.answer}${separator}`);
  return [system, header, ...examples, question].join('');
}

function dialogueText({ system, question }: Prompt, { turns, speakers }: Dialogue): string {
  const said = turns.map(({ role, content }) =>
    role === 'user'
      ? `${speakers.user}${content}\n`
      : `${speakers.assistant}${/^\s/.test(content) ? '' : ' '}${content}\n\n`,
  );
  const before = system === undefined ? '' : `${system}\n\n`;
  return `${before}${said.join('')}${speakers.user}${question}\n${speakers.assistant}`;
}

/** The prompt of the next turn: the answer becomes history. */
export function withNextTurn(prompt: Prompt, answer: string, next: string): Prompt {
  const { turns, speakers } = prompt.dialogue ?? { turns: [], speakers: PLAIN_SPEAKERS };
  const said: Dialogue['turns'] = [
    ...turns,
    { role: 'user', content: prompt.question },
    { role: 'assistant', content: answer },
  ];
  return { ...prompt, question: next, dialogue: { turns: said, speakers } };
}

const PLAIN_SPEAKERS = { user: 'User: ', assistant: 'Assistant:' } as const;

/** Examples are turns of their own; what stands before the first question goes into its message. */
export function promptMessages({ system, header = '', shots, question, dialogue }: Prompt): ChatMessage[] {
  const examples = shots.flatMap((shot): ChatMessage[] => [
    { role: 'user', content: shot.question },
    { role: 'assistant', content: shot.answer.trim() },
  ]);
  const [first, ...rest]: readonly ChatMessage[] = [
    ...examples,
    ...(dialogue?.turns ?? []),
    { role: 'user', content: question },
  ];
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    ...(first === undefined ? [] : [{ ...first, content: `${header}${first.content}` }]),
    ...rest,
  ];
}

/** The system text at the beginning of the first question, for chat forms that have no place for it. */
export function withoutSystem({ system, ...prompt }: Prompt): Prompt {
  if (system === undefined) return prompt;
  const gap = prompt.dialogue === undefined ? '' : '\n\n';
  return { ...prompt, header: `${system}${gap}${prompt.header ?? ''}` };
}

export function withFewerShots(prompt: Prompt, count: number): Prompt {
  return { ...prompt, shots: prompt.shots.slice(0, count) };
}
