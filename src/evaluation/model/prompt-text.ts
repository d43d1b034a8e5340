/** A prompt as one text, or as a conversation. */
import type { ChatMessage } from '../../models/index.js';
import type { Prompt } from '../task.js';

export function promptText({
  system = '',
  header = '',
  shots,
  question,
  separator = '\n\n',
}: Prompt): string {
  const examples = shots.map((shot) => `${shot.question}${shot.answer}${separator}`);
  return [system, header, ...examples, question].join('');
}

/** Examples are turns of their own; what stands before the first question goes into its message. */
export function promptMessages({ system, header = '', shots, question }: Prompt): ChatMessage[] {
  const turns = shots.flatMap((shot, index): ChatMessage[] => [
    { role: 'user', content: `${index === 0 ? header : ''}${shot.question}` },
    { role: 'assistant', content: shot.answer.trim() },
  ]);
  return [
    ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
    ...turns,
    { role: 'user', content: `${shots.length === 0 ? header : ''}${question}` },
  ];
}

/** The system text at the beginning of the first question, for chat forms that have no place for it. */
export function withoutSystem({ system, ...prompt }: Prompt): Prompt {
  return system === undefined ? prompt : { ...prompt, header: `${system}${prompt.header ?? ''}` };
}

export function withFewerShots(prompt: Prompt, count: number): Prompt {
  return { ...prompt, shots: prompt.shots.slice(0, count) };
}
