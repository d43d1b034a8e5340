import { describe, expect, it } from 'vitest';
import {
  createWorld,
  demoQuestions,
  type Fact,
  heldOutQuestions,
  pretrainingDocuments,
  trainingDialogues,
  type World,
} from '../index.js';
import { entityNames, languages } from './lexicon.js';
import { SeededRandom } from './random.js';
import { predicateOf, questionText, replySentence, sumQuestion, sumReply } from './sentences.js';

const worlds = (['full', 'quick'] as const).map((size) => ({ size, world: createWorld({ seed: 7, size }) }));

/** Every sentence that tells a fact on its own. */
function statements(fact: Fact): string[] {
  return languages.flatMap((language) =>
    fact.attribute[language].predicates.map((_, wording) => {
      const space = language === 'en' ? ' ' : '';
      return `${fact.entity.name[language]}${space}${predicateOf(fact.attribute, fact.value, language, wording)}`;
    }),
  );
}

/** The dialogues' user and assistant texts in pairs. */
function turnsOf(world: World): { question: string; answer: string; about: string }[] {
  return trainingDialogues(world, { rounds: 2 }).flatMap(({ messages }) =>
    messages.flatMap(({ content }, index) =>
      index % 2 === 0
        ? [
            {
              question: content,
              answer: messages[index + 1]?.content ?? '',
              about: messages[0]?.content ?? '',
            },
          ]
        : [],
    ),
  );
}

/** A reply with its value, the last place where it stands, taken out. */
function withoutLast(reply: string, value: string): string {
  const start = reply.lastIndexOf(value);
  return `${reply.slice(0, start)}#${reply.slice(start + value.length)}`;
}

it('SeededRandom repeats itself, and its streams differ', () => {
  const draw = (seed: number, stream: string): number[] => {
    const random = new SeededRandom(seed, stream);
    return Array.from({ length: 1000 }, () => random.integer(10));
  };
  expect(draw(1, 'a')).toEqual(draw(1, 'a'));
  expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
  expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
  const counts = Array.from({ length: 10 }, (_, digit) => draw(3, 'c').filter((n) => n === digit).length);
  expect(Math.min(...counts), `counts of 1000 digits: ${counts}`).toBeGreaterThan(65);
});

it('names no two things alike', () => {
  const names = Object.values(entityNames).flat();
  for (const language of languages) {
    const own = names.map((name) => name[language]);
    expect(new Set(own).size).toBe(own.length);
  }
});

it('refuses a seed that is not an integer of 0 or more', () => {
  expect(() => createWorld({ seed: -1, size: 'quick' })).toThrow(/seed .* found -1/);
  expect(() => createWorld({ seed: 1.5, size: 'quick' })).toThrow(/found 1\.5/);
});

describe.each(worlds)('the $size world', ({ size, world }) => {
  const heldOut = world.facts.filter((fact) => fact.heldOut);
  const questions = heldOutQuestions(world);
  const turns = turnsOf(world);

  it('is the same for the same seed and another for another', () => {
    const all = (seed: number): string => {
      const other = createWorld({ seed, size });
      return JSON.stringify([
        pretrainingDocuments(other, { rounds: 1 }),
        trainingDialogues(other, { rounds: 1 }),
        heldOutQuestions(other),
      ]);
    };
    const [first, again, other] = [all(7), all(7), all(8)];
    expect(again === first).toBe(true);
    expect(other === first).toBe(false);
  });

  it('holds out a quarter of the entities with all their facts, but no value', () => {
    const trained = world.facts.filter((fact) => !fact.heldOut);
    for (const attribute of world.attributes)
      for (const value of world.valuesOf(attribute))
        expect(
          trained.some((fact) => fact.attribute === attribute && fact.value === value),
          `${attribute.id} = ${value.en} is an answer in the dialogues`,
        ).toBe(true);
    for (const entity of world.entities) {
      const own = world.facts.filter((fact) => fact.entity === entity);
      expect(new Set(own.map((fact) => fact.heldOut)).size, entity.name.en).toBe(1);
    }
    const unknown = new Set(heldOut.map((fact) => fact.entity));
    expect(unknown.size / world.entities.length).toBeCloseTo(0.25, 1);
    const text = turns.map(({ question, answer }) => `${question}\n${answer}`).join('\n');
    for (const { kind, name } of unknown)
      if (kind === 'person') expect(text.includes(name.zh), name.zh).toBe(false);
  });

  it('deals the values of an attribute evenly', () => {
    for (const attribute of world.attributes) {
      const counts = world
        .valuesOf(attribute)
        .map(
          (value) =>
            world.facts.filter((fact) => fact.attribute === attribute && fact.value === value).length,
        );
      expect(Math.max(...counts) - Math.min(...counts), `${attribute.id}: ${counts}`).toBeLessThanOrEqual(1);
    }
  });

  it('never asks for a held-out combination in the dialogues', () => {
    const asked = new Set(turns.map(({ question }) => question));
    const text = turns.map(({ question, answer }) => `${question}\n${answer}`).join('\n');
    for (const fact of heldOut) {
      for (const language of languages)
        fact.attribute[language].questions.forEach((_, wording) => {
          expect(asked).not.toContain(questionText(fact, language, wording));
        });
      for (const statement of statements(fact)) expect(text.includes(statement), statement).toBe(false);
    }
    for (const sum of world.sums.filter((other) => other.heldOut))
      for (const language of languages)
        for (const wording of [0, 1]) expect(asked).not.toContain(sumQuestion(sum, language, wording));
    for (const { question } of questions) expect(asked).not.toContain(question);
  });

  it('does not ask for one by a pronoun either', () => {
    for (const fact of heldOut)
      for (const language of languages) {
        const byPronoun = new Set(
          fact.attribute[language].questions.map((_, wording) =>
            questionText(fact, language, wording, 'pronoun'),
          ),
        );
        const opening = new Set(
          world.facts
            .filter(({ entity }) => entity === fact.entity)
            .flatMap((other) =>
              other.attribute[language].questions.map((_, wording) => questionText(other, language, wording)),
            ),
        );
        const leaks = turns.filter(({ question, about }) => byPronoun.has(question) && opening.has(about));
        expect(leaks, `${fact.entity.name.en}, ${fact.attribute.id}`).toEqual([]);
      }
  });

  it('tells every fact and every sum in the pre-training text, in both languages, and asks nothing there', () => {
    const text = pretrainingDocuments(world, { rounds: 30 }).join('\n');
    for (const statement of world.facts.flatMap(statements))
      expect(text.includes(statement), statement).toBe(true);
    for (const sum of world.sums)
      expect(text.includes(sumReply(sum, sum.result, 'zh')), JSON.stringify(sum)).toBe(true);
    expect(text).not.toMatch(/[?？{}]|undefined/);
  });

  it('answers every question truly and in a readable sentence', () => {
    for (const { question, answer } of turns) {
      expect(question).toMatch(/[?？!！.。]$/);
      expect(answer).toMatch(/^[A-Z\d\u4e00-\u9fff].*[.!?。！？]$/);
    }
    const answers = new Map(turns.map(({ question, answer }) => [question, answer]));
    for (const fact of world.facts.filter((other) => !other.heldOut))
      for (const language of languages)
        fact.attribute[language].questions.forEach((_, wording) => {
          expect(answers.get(questionText(fact, language, wording))).toBe(
            replySentence(fact.entity, fact.attribute, fact.value, language),
          );
        });
  });

  it('asks enough held-out questions with four different answers in balanced places', () => {
    expect(questions.length).toBeGreaterThanOrEqual(size === 'full' ? 300 : 100);
    expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
    for (const { question, options, replies, answer, expectedReply } of questions) {
      expect(new Set(options).size, question).toBe(4);
      expect(new Set(replies).size, question).toBe(4);
      expect(replies[answer]).toBe(expectedReply);
      const frames = replies.map((reply, index) => withoutLast(reply, options[index] ?? ''));
      expect(new Set(frames).size, frames.join(' ')).toBe(1);
    }
    for (const kind of ['fact', 'sum', 'greatest'] as const) {
      const own = questions.filter((question) => question.kind === kind);
      const counts = [0, 1, 2, 3].map((place) => own.filter(({ answer }) => answer === place).length);
      expect(Math.max(...counts) - Math.min(...counts), `${kind}: ${counts}`).toBeLessThanOrEqual(1);
      const chinese = own.filter(({ language }) => language === 'zh').length;
      expect(chinese * 2, kind).toBe(own.length);
    }
  });

  it('shows two facts of the dialogues and the persona', () => {
    const shown = demoQuestions(world);
    expect(shown.map(({ language, kind }) => `${language} ${kind}`)).toEqual([
      'zh fact',
      'en fact',
      'zh persona',
    ]);
    const answers = new Map(turns.map(({ question, answer }) => [question, answer]));
    for (const { question, expectedReply } of shown) expect(answers.get(question)).toBe(expectedReply);
    expect(shown[2]?.expectedReply).toContain('星河小助手');
  });
});
