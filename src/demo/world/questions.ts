/** The held-out questions that the demo is measured with. */
import { isHeldOutSet } from './dialogues.js';
import { type Language, languages, type Term } from './lexicon.js';
import { personaTurns } from './persona.js';
import { SeededRandom } from './random.js';
import {
  greatestQuestion,
  greatestReply,
  questionText,
  replySentence,
  sumQuestion,
  sumReply,
} from './sentences.js';
import type { Fact, Sum, World } from './world.js';

export type QuestionKind = 'fact' | 'sum' | 'greatest';
export type AnswerIndex = 0 | 1 | 2 | 3;
type Four = [string, string, string, string];

/** A question with four answers to choose from; chance is 25 %. */
export interface ChoiceQuestion {
  question: string;
  language: Language;
  kind: QuestionKind;
  /** The four values: "Bluestone". */
  options: Four;
  /** The four as whole answers, which differ in the value only: "She lives in Bluestone." */
  replies: Four;
  answer: AnswerIndex;
  /** `replies[answer]`. */
  expectedReply: string;
}

const positions: readonly AnswerIndex[] = [0, 1, 2, 3];

/**
 * Questions about combinations that the dialogues never touch: every held-out fact in three wordings and both languages,
 * the held-out sums, and the greatest of sets of digits that no text names together. Positions of the right answer
 * are balanced within each kind.
 */
export function heldOutQuestions(world: World): ChoiceQuestion[] {
  const random = new SeededRandom(world.seed, 'questions');
  const facts = world.facts.filter((fact) => fact.heldOut);
  const sums = world.sums.filter((sum) => sum.heldOut);
  const sets = heldOutSets(world.size === 'full' ? 20 : 10, random);
  const wordings = [0, 1, 2];
  return [
    ...balance(
      random,
      wordings.flatMap((wording) =>
        facts.flatMap((fact) =>
          languages.map((language) => factChoices(world, fact, language, wording, random)),
        ),
      ),
    ),
    ...balance(
      random,
      sums.flatMap((sum) => languages.map((language) => sumChoices(sum, language, random))),
    ),
    ...balance(
      random,
      sets.flatMap((set) => languages.map((language) => greatestChoices(set, language))),
    ),
  ];
}

/** A question before its right answer, the first option, has been given its place. */
interface Choices {
  question: string;
  language: Language;
  kind: QuestionKind;
  options: readonly { option: string; reply: string }[];
}

/** Deals the four positions evenly and puts each right answer in its place. */
function balance(random: SeededRandom, questions: readonly Choices[]): ChoiceQuestion[] {
  const dealt = random.shuffle(questions.map((_, index) => positions[index % 4] ?? 0));
  return questions.map(({ question, language, kind, options }, index) => {
    const answer = dealt[index] ?? 0;
    const [right, ...wrong] = options;
    if (right === undefined || wrong.length !== 3)
      throw new RangeError(`heldOutQuestions: "${question}" has ${options.length} options, needed 4`);
    const [a, b, c, d] = [...wrong.slice(0, answer), right, ...wrong.slice(answer)];
    return {
      question,
      language,
      kind,
      options: [a!.option, b!.option, c!.option, d!.option],
      replies: [a!.reply, b!.reply, c!.reply, d!.reply],
      answer,
      expectedReply: right.reply,
    };
  });
}

/** The true value first, then three wrong ones from the attribute's closed list. */
function factChoices(
  world: World,
  fact: Fact,
  language: Language,
  wording: number,
  random: SeededRandom,
): Choices {
  const { entity, attribute, value } = fact;
  const wrong = random.sample(
    world.valuesOf(attribute).filter((other) => other !== value),
    3,
  );
  return {
    question: questionText(fact, language, wording),
    language,
    kind: 'fact',
    options: [value, ...wrong].map((term: Term) => ({
      option: term[language],
      reply: replySentence(entity, attribute, term, language),
    })),
  };
}

/** Wrong results lie within 3 of the right one. */
function sumChoices(sum: Sum, language: Language, random: SeededRandom): Choices {
  const wrong = random.sample(
    [-3, -2, -1, 1, 2, 3].map((offset) => sum.result + offset).filter((result) => result >= 0),
    3,
  );
  return {
    question: sumQuestion(sum, language, 0),
    language,
    kind: 'sum',
    options: [sum.result, ...wrong].map((result) => ({
      option: `${result}`,
      reply: sumReply(sum, result, language),
    })),
  };
}

function greatestChoices(set: readonly number[], language: Language): Choices {
  const greatest = Math.max(...set);
  return {
    question: greatestQuestion(set, language),
    language,
    kind: 'greatest',
    options: [greatest, ...set.filter((number) => number !== greatest)].map((number) => ({
      option: `${number}`,
      reply: greatestReply(number, language),
    })),
  };
}

/** `count` different sets of four digits, each in random order, that the dialogues leave out. */
function heldOutSets(count: number, random: SeededRandom): number[][] {
  const sets = new Map<string, number[]>();
  while (sets.size < count) {
    const set = random.sample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4);
    if (isHeldOutSet(set)) sets.set([...set].sort().join(), set);
  }
  return [...sets.values()];
}

/** A question shown on the screen, with the answer that a good model gives. */
export interface DemoQuestion {
  question: string;
  language: Language;
  kind: 'fact' | 'persona';
  expectedReply: string;
}

/** Three questions to show: a fact of the dialogues in Chinese, another in English, and who the assistant is. */
export function demoQuestions(world: World): DemoQuestion[] {
  const people = world.facts.filter((fact) => !fact.heldOut && fact.entity.kind === 'person');
  const ask = (fact: Fact, language: Language): DemoQuestion => ({
    question: questionText(fact, language, 0),
    language,
    kind: 'fact',
    expectedReply: replySentence(fact.entity, fact.attribute, fact.value, language),
  });
  const chinese = people[0];
  const english = people.find(
    ({ entity, attribute }) => entity !== chinese?.entity && attribute !== chinese?.attribute,
  );
  const persona = personaTurns.find(({ language }) => language === 'zh');
  if (chinese === undefined || english === undefined || persona === undefined)
    throw new RangeError('demoQuestions: the world has too few facts about people');
  return [
    ask(chinese, 'zh'),
    ask(english, 'en'),
    { question: persona.asked[0] ?? '', language: 'zh', kind: 'persona', expectedReply: persona.answer },
  ];
}
