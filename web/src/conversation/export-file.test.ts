import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Branches } from './branches.js';
import { fromJson, ImportError, toJson, toMarkdown } from './export-file.js';
import { message, thread } from './test-threads.js';

const labels = { user: '你', assistant: '星河', system: '系统提示' };
const branched = thread(
  message('q1', null, 1),
  { ...message('a1', 'q1', 2), model: 'telechat', state: 'complete' },
  { ...message('a2', 'q1', 3), model: 'telechat', state: 'streaming' },
);
const chosen = { ...branched, conversation: { ...branched.conversation, selected: { q1: 'a1' } } };

describe('export and import', () => {
  it('writes what is shown as Markdown', () => {
    const withSystem = { ...chosen, conversation: { ...chosen.conversation, system: '你是老师' } };
    expect(toMarkdown(withSystem, labels)).toBe(
      '# 天空\n\n## 系统提示\n\n你是老师\n\n## 你\n\ntext of q1\n\n## 星河 · telechat\n\ntext of a1\n',
    );
  });

  it('brings everything back, under ids of its own', () => {
    const { threads, personas } = fromJson(toJson([chosen], [{ id: 'p', name: '猫', system: '喵' }]));
    const back = threads[0];
    if (back === undefined) throw new Error('no thread came back');
    expect(back.conversation.id).not.toBe('c');
    expect([...back.messages.values()].map(({ text, state }) => [text, state])).toEqual([
      ['text of q1', undefined],
      ['text of a1', 'complete'],
      ['text of a2', 'cut-off'],
    ]);
    expect(new Branches(back).path().map(({ text }) => text)).toEqual(['text of q1', 'text of a1']);
    expect(personas).toMatchObject([{ name: '猫', system: '喵' }]);
    expect(personas[0]?.id).not.toBe('p');
  });

  it('refuses what this page did not write', () => {
    expect(() => fromJson('[]')).toThrow(ImportError);
    expect(() => fromJson('{"format":"xinghe-conversations","version":9}')).toThrow('"version" 9');
  });

  it('reads any conversations without falling', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (conversation, entry) => {
        const conversations = [conversation, { messages: [entry], selected: entry }];
        const { threads } = fromJson(
          JSON.stringify({ format: 'xinghe-conversations', version: 1, conversations }),
        );
        for (const found of threads) new Branches(found).turns();
        expect(threads).toHaveLength(2);
      }),
    );
  });
});
