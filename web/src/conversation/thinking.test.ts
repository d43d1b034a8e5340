import { describe, expect, it } from 'vitest';
import { splitThinking, withoutThinking } from './thinking.js';

const kinds = (text: string, isGrowing = false): string[] =>
  splitThinking(text, isGrowing).map(
    ({ kind, text: part, isOpen }) => `${kind}${isOpen ? '…' : ''}: ${part.trim()}`,
  );

describe('splitThinking', () => {
  it.each([
    ['an answer without thoughts', 'hello', ['text: hello']],
    ['thoughts before it', '<think>\na\n</think>\n\nb', ['thinking: a', 'text: b']],
    ['another name', '<thinking>a</thinking>b', ['thinking: a', 'text: b']],
    ['an empty thought', '<think>\n\n</think>\n\nb', ['text: b']],
    ['a beginning that the template wrote', 'a\n</think>\n\nb', ['thinking: a', 'text: b']],
    ['thoughts between answers', 'a\n<think>b</think>\nc', ['text: a', 'thinking: b', 'text: c']],
    ['signs in a code block', '```\n<think>a</think>\n```', ['text: ```\n<think>a</think>\n```']],
    ['signs that are talked about', 'It ends with `</think>`.', ['text: It ends with `</think>`.']],
    ['signs within a line', 'Write <think> first.', ['text: Write <think> first.']],
    ['a thought that was cut off', '<think>\na', ['thinking…: a']],
    ['nothing', '', []],
    ['one sign', '<', ['text: <']],
  ])('finds %s', (_, text, parts) => {
    expect(kinds(text)).toEqual(parts);
  });

  it('shows no part of a sign while the text grows', () => {
    const whole = '<think>\na thought\n</think>\n\nThe answer.';
    for (let length = 1; length <= whole.length; length++)
      for (const part of splitThinking(whole.slice(0, length), true)) expect(part.text).not.toMatch(/[<>]/);
    expect(withoutThinking(whole)).toBe('The answer.');
  });
});
