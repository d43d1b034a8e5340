/** The fine-tuning dialogues of the demo. */
import { type Language, languages, strangerName } from './lexicon.js';
import { personaTurns } from './persona.js';
import { SeededRandom } from './random.js';
import {
  greatestQuestion,
  greatestReply,
  predicateOf,
  questionText,
  replySentence,
  sentence,
  sumQuestion,
  sumReply,
} from './sentences.js';
import type { Entity, Fact, World } from './world.js';

export interface Message {
  role: 'user' | 'assistant';
  content: string;
}

export interface Dialogue {
  messages: Message[];
}

export interface DialogueOptions {
  /** How often every trained fact is asked in every wording. Default 4 (full), 3 (quick). */
  rounds?: number;
}

/** A question with its answer. */
type Turn = readonly [Message, Message];

function turn(question: string, answer: string): Turn {
  return [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ];
}

/**
 * The fine-tuning dialogues, one language each: questions about facts and sums that are not held out, the greatest of
 * four digits, the persona and small talk; about half of the turns stand alone, the others in talks of two to four.
 */
export function trainingDialogues(world: World, options: DialogueOptions = {}): Dialogue[] {
  const rounds = options.rounds ?? (world.size === 'full' ? 4 : 3);
  const random = new SeededRandom(world.seed, 'dialogues');
  const dialogues = Array.from({ length: rounds }, () =>
    languages.flatMap((language) => {
      const turns = random.shuffle([
        ...factTurns(world, language),
        ...sumTurns(world, language),
        ...greatestTurns(world, language, random),
        ...strangerTurns(world, language, random),
        ...personaOf(language),
      ]);
      return [...groupTurns(turns, random), ...followUps(world, language, random)];
    }),
  ).flat();
  return random.shuffle(dialogues);
}

/**
 * Every trained fact in every wording. A value that lost some of its owners to the held-out facts is asked for more
 * often: otherwise the right answers to held-out questions would be the rarer ones here.
 */
function factTurns(world: World, language: Language): Turn[] {
  const trained = world.facts.filter((fact) => !fact.heldOut);
  const owners = ({ attribute, value }: Fact): number =>
    trained.filter((other) => other.attribute === attribute && other.value === value).length;
  return world.attributes.flatMap((attribute) => {
    const own = trained.filter((fact) => fact.attribute === attribute);
    const maxOwners = Math.max(...own.map(owners));
    return own.flatMap((fact) =>
      Array.from({ length: Math.round(maxOwners / owners(fact)) }, () =>
        attribute[language].questions.map((_, wording) =>
          turn(questionText(fact, language, wording), answerOf(fact, language)),
        ),
      ).flat(),
    );
  });
}

function answerOf(fact: Fact, language: Language): string {
  return replySentence(fact.entity, fact.attribute, fact.value, language);
}

function sumTurns(world: World, language: Language): Turn[] {
  return world.sums
    .filter((sum) => !sum.heldOut)
    .flatMap((sum) =>
      [0, 1].map((wording) => turn(sumQuestion(sum, language, wording), sumReply(sum, sum.result, language))),
    );
}

/**
 * "Momo lives in Egret. Where does Momo live?": about strangers that no text tells of, each with a name of its own, so
 * that the model learns to take name and property from the question rather than to know some names by heart.
 */
function strangerTurns(world: World, language: Language, random: SeededRandom): Turn[] {
  return Array.from({ length: world.size === 'full' ? 400 : 200 }, () => {
    const name = strangerName(language, random);
    const attribute = random.pick(world.attributes.filter(({ kind }) => kind === 'person'));
    const value = random.pick(world.valuesOf(attribute));
    const told = sentence(language, name[language], [predicateOf(attribute, value, language)]);
    const entity: Entity = { kind: 'person', name };
    const question = questionText({ entity, attribute }, language, random.integer(3));
    return turn(`${told}${language === 'zh' ? '' : ' '}${question}`, told);
  });
}

/** Four digits in random order; sets whose members add up to a multiple of 5 are held out. */
function greatestTurns(world: World, language: Language, random: SeededRandom): Turn[] {
  const digits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  return Array.from({ length: world.size === 'full' ? 150 : 40 }, () => random.sample(digits, 4))
    .filter((numbers) => !isHeldOutSet(numbers))
    .map((numbers) =>
      turn(greatestQuestion(numbers, language), greatestReply(Math.max(...numbers), language)),
    );
}

/** Whether a set of digits, in whatever order, is kept out of the dialogues. */
export function isHeldOutSet(numbers: readonly number[]): boolean {
  return numbers.reduce((total, number) => total + number, 0) % 5 === 0;
}

function personaOf(language: Language): Turn[] {
  return personaTurns
    .filter((entry) => entry.language === language)
    .flatMap(({ asked, answer }) => asked.map((question) => turn(question, answer)))
    .flatMap((own) => [own, own, own]);
}

/** Cuts shuffled turns into dialogues: half of them alone, the others in twos to fours. */
function groupTurns(turns: readonly Turn[], random: SeededRandom): Dialogue[] {
  const dialogues: Dialogue[] = [];
  for (let start = 0; start < turns.length; ) {
    const length = random.integer(4) > 0 ? 1 : 2 + random.integer(3);
    dialogues.push({ messages: turns.slice(start, start + length).flat() });
    start += length;
  }
  return dialogues;
}

/** Talks about one entity: by its name first, by its pronoun from then on. */
function followUps(world: World, language: Language, random: SeededRandom): Dialogue[] {
  return world.entities.flatMap((entity) => {
    const facts = world.facts.filter((fact) => fact.entity === entity && !fact.heldOut);
    if (facts.length === 0) return [];
    const turns = random
      .sample(facts, 3)
      .map((fact, index) =>
        turn(
          questionText(fact, language, random.integer(3), index === 0 ? 'name' : 'pronoun'),
          answerOf(fact, language),
        ),
      );
    return { messages: turns.flat() };
  });
}
