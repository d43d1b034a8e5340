/** The pre-training documents of the demo. */
import { type Language, languages, pronouns } from './lexicon.js';
import { SeededRandom } from './random.js';
import { capitalize, predicateOf, sentence, sumSentence } from './sentences.js';
import type { Entity, Fact, World, WorldSize } from './world.js';

const sentenceOpenings: Readonly<Record<Language, readonly string[]>> = {
  zh: ['大家都知道，', '听说', '人们说，', '在云河谷，', '镇上的人都说，', '书里写着，'],
  en: [
    'everyone knows that ',
    'people say that ',
    'in Cloud River Valley, ',
    'the old book says that ',
    'as we all know, ',
  ],
};

/** `{a}` and `{b}` are two names. */
const storyOpenings: Readonly<Record<Language, readonly string[]>> = {
  zh: [
    '一天早上，{a}在路上遇见了{b}。',
    '下雨了，{a}和{b}一起在屋檐下躲雨。',
    '灯节那天，{a}又见到了{b}。',
    '很久以前，有人讲过{a}和{b}的故事。',
    '晚饭以后，大家说起了{a}和{b}。',
  ],
  en: [
    'One morning {a} met {b} on the road.',
    'It began to rain, so {a} and {b} waited under the same roof.',
    'On the day of the lantern festival {a} saw {b} again.',
    'Long ago there was a story about {a} and {b}.',
    'After dinner the talk turned to {a} and {b}.',
  ],
};

const storyEndings: Readonly<Record<Language, readonly string[]>> = {
  zh: ['天黑了，大家都回家了。', '那真是快乐的一天。', '后来，大家成了好朋友。', '故事就讲到这里。'],
  en: [
    'When it grew dark, everyone went home.',
    'It was a happy day.',
    'Later they became good friends.',
    'That is the end of the story.',
  ],
};

/** Few enough to leave most of the text to the facts. */
const sumsPerRound: Readonly<Record<WorldSize, number>> = { full: 155, quick: 80 };

const separator: Readonly<Record<Language, string>> = { zh: '', en: ' ' };

export interface PretrainingOptions {
  /**
   * How often the whole world is told, each time in new words: every fact 4 or 5 times in each language, the
   * digits' sums about once. Default 80 (full), 50 (quick): about 2.4 and 0.3 million tokens.
   */
  rounds?: number;
}

/**
 * The pre-training text: portraits, gossip, stories and sums, one language each. It states every fact, the held-out
 * ones too, and holds no question and no dialogue. Documents come in random order within a round, so that a
 * trainer may stop after any of them.
 */
export function pretrainingDocuments(world: World, options: PretrainingOptions = {}): string[] {
  const rounds = options.rounds ?? (world.size === 'full' ? 80 : 50);
  const random = new SeededRandom(world.seed, 'pretraining');
  return Array.from({ length: rounds }, () => random.shuffle(tellWorld(world, random))).flat();
}

/** One round, per language: every fact in portraits and gossip (twice each), of people and animals in a story too. */
function tellWorld(world: World, random: SeededRandom): string[] {
  const factsOf = new Map(
    world.entities.map((entity) => [entity, world.facts.filter((fact) => fact.entity === entity)]),
  );
  const characters = world.entities.filter(({ kind }) => kind === 'person' || kind === 'animal');
  return languages.flatMap((language) => [
    ...[...world.entities, ...world.entities, ...world.entities, ...world.entities].map((entity) =>
      portrait(factsOf.get(entity) ?? [], language, random),
    ),
    ...chunk(random.shuffle(world.facts), 8).map((facts) => gossip(facts, language, random)),
    ...chunk(random.shuffle(characters), 2).map((pair) => story(pair, factsOf, language, random)),
    ...chunk(random.sample(world.sums, sumsPerRound[world.size]), 12).map((sums) =>
      sums.map((sum) => sumSentence(sum, language, random)).join(separator[language]),
    ),
    ...chunk(random.shuffle([1, 2, 3, 4, 5, 6, 7, 8, 9]), 3).map(() => comparisons(language, random)),
  ]);
}

/**
 * All that is known of one entity, one to three facts a sentence; after the first sentence half of them say only "she"
 * or "it". From these a model learns to look back for the name, as it must when it answers a question.
 */
function portrait(facts: readonly Fact[], language: Language, random: SeededRandom): string {
  const sentences: string[] = [];
  for (let left = random.shuffle(facts); left.length > 0; ) {
    const now = 1 + random.integer(2);
    const by = sentences.length > 0 && random.integer(8) === 0 ? 'pronoun' : 'name';
    sentences.push(tell(left.slice(0, now), language, random, by));
    left = left.slice(now);
  }
  return sentences.join(separator[language]);
}

/** Facts about many entities, one a sentence. */
function gossip(facts: readonly Fact[], language: Language, random: SeededRandom): string {
  return facts.map((fact) => tell([fact], language, random)).join(separator[language]);
}

function story(
  pair: readonly Entity[],
  factsOf: ReadonlyMap<Entity, readonly Fact[]>,
  language: Language,
  random: SeededRandom,
): string {
  const [first, second = first] = pair;
  if (first === undefined || second === undefined || first === second)
    return portrait(first === undefined ? [] : (factsOf.get(first) ?? []), language, random);
  const opening = random
    .pick(storyOpenings[language])
    .replace('{a}', first.name[language])
    .replace('{b}', second.name[language]);
  const middle = random.shuffle(pair).map((entity) => portrait(factsOf.get(entity) ?? [], language, random));
  return [capitalize(opening), ...middle, random.pick(storyEndings[language])].join(separator[language]);
}

/** One sentence about one entity, its subject before the values. */
function tell(
  facts: readonly Fact[],
  language: Language,
  random: SeededRandom,
  by: 'name' | 'pronoun' = 'name',
): string {
  const [first] = facts;
  if (first === undefined) return '';
  const predicates = facts.map(({ attribute, value }, index) => {
    const wording = random.integer(attribute[language].predicates.length);
    const predicate = predicateOf(attribute, value, language, wording);
    // "小岚的爱好是…" can only stand directly after the name.
    return index > 0 && predicate.startsWith('的')
      ? predicateOf(attribute, value, language, 1 - wording)
      : predicate;
  });
  const opening = random.integer(5) === 0 ? random.pick(sentenceOpenings[language]) : '';
  const { name } = first.entity;
  const subject = by === 'name' ? name[language] : pronouns[name.pronoun][language];
  return sentence(language, opening + subject, predicates);
}

/** "7 is greater than 4." for several pairs of digits. */
function comparisons(language: Language, random: SeededRandom): string {
  return Array.from({ length: 6 }, () => {
    const [a = 0, b = 0] = random.sample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 2).sort((x, y) => y - x);
    return language === 'zh' ? `${a}比${b}大。` : `${a} is greater than ${b}.`;
  }).join(separator[language]);
}

/** A list cut into pieces of `size`, the last one shorter. */
function chunk<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
