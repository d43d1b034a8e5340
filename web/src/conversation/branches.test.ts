import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Branches, withChoice, withMessage } from './branches.js';
import { type Message, type Thread, titleFrom } from './conversation.js';
import { message, thread } from './test-threads.js';

const grown = (...messages: Message[]): Thread => messages.reduce(withMessage, thread());
const ids = (messages: readonly Message[]): string[] => messages.map(({ id }) => id);

describe('Branches', () => {
  const asked = grown(message('q1', null), message('a1', 'q1'), message('q2', 'a1'), message('a2', 'q2'));

  it('goes from the first message to the last', () => {
    expect(ids(new Branches(asked).path())).toEqual(['q1', 'a1', 'q2', 'a2']);
  });

  it('shows the newest version until another is chosen, with all that follows it', () => {
    const edited = [message('q1b', null, 10), message('a1b', 'q1b', 11)].reduce(withMessage, asked);
    expect(ids(new Branches(edited).path())).toEqual(['q1b', 'a1b']);
    const back = withChoice(edited, null, 'q1');
    expect(ids(new Branches(back).path())).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(new Branches(back).turns()[0]).toMatchObject({ version: 0 });
    expect(ids(new Branches(back).turns()[0]?.versions ?? [])).toEqual(['q1', 'q1b']);
  });

  it('counts a comparison as one version, and goes on with the chosen answer', () => {
    const compared = [
      { ...message('left', 'q2', 20), comparison: 'c' },
      { ...message('right', 'q2', 21), comparison: 'c' },
    ].reduce(withMessage, asked);
    const turn = new Branches(withChoice(compared, 'q2', 'right')).turns()[3];
    expect(turn?.message.id).toBe('right');
    expect(ids(turn?.shown ?? [])).toEqual(['left', 'right']);
    expect(turn).toMatchObject({ version: 1, versions: { length: 2 } });
    const alone = new Branches(withChoice(compared, 'q2', 'a2')).turns()[3];
    expect(ids(alone?.shown ?? [])).toEqual(['a2']);
    expect(ids(alone?.versions ?? [])).toEqual(['a2', 'left']);
  });

  it('stands any tree: circles, lost parents, choices of what is not there', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const any = fc.record({
      id,
      parent: fc.option(id),
      at: fc.nat(5),
      comparison: fc.option(fc.constant('x')),
    });
    fc.assert(
      fc.property(fc.array(any), fc.dictionary(fc.oneof(id, fc.constant('')), id), (entries, selected) => {
        const messages = entries.map((entry) => ({
          ...message(entry.id, entry.parent, entry.at),
          comparison: entry.comparison ?? undefined,
        }));
        const tree = grown(...messages);
        const branches = new Branches({ ...tree, conversation: { ...tree.conversation, selected } });
        for (const { shown, version, versions, message: chosen } of branches.turns()) {
          expect(shown).toContain(chosen);
          expect(versions[version]).toBe(chosen);
        }
        for (const { id: known } of messages) expect(branches.pathTo(known).at(-1)?.id).toBe(known);
      }),
    );
  });
});

describe('titleFrom', () => {
  it('is the first line with words, without marks, at most 40 characters', () => {
    expect(titleFrom('\n---\n## 为什么天空是蓝的？\n请详细说')).toBe('为什么天空是蓝的？');
    expect(Array.from(titleFrom('🌌'.repeat(5) + '星'.repeat(60)))).toHaveLength(40);
    expect(titleFrom('???')).toBe('???');
  });
});
