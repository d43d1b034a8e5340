/** A character: a persona with a manner of speaking. */
import { z } from 'zod';
import { parseConfig, readConfigFile } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import type { Language } from '../attributes/attribute-kinds.js';
import { pairsOf, personaOf, readAttributes } from '../attributes/attribute-table.js';
import type { Persona } from '../attributes/persona.js';
import { comparable } from '../rules/normalise.js';

const marks = z.strictObject({
  /** How its answers begin. */
  begins: z.string().min(1).optional(),
  /** How its answers end, before the full stop. */
  ends: z.string().min(1).optional(),
});

const cardSchema = z.strictObject({
  name: z.string().min(1),
  /** How it speaks, for the teacher. */
  style: z.string().min(1).optional(),
  background: z.string().min(1).optional(),
  /** Lines that show how it speaks. */
  examples: z.array(z.strictObject({ user: z.string().min(1), assistant: z.string().min(1) })).default([]),
  /** Words that it never says: an answer that holds one falls out of the character. */
  never: z.array(z.string().min(1)).default([]),
  /** Marks of its style that can be counted. */
  speech: z.strictObject({ zh: marks.optional(), en: marks.optional() }).default({}),
  /** As in a table of attributes. */
  attributes: z.record(z.string(), z.unknown()).default({}),
});

export type RoleCard = z.output<typeof cardSchema>;

/** Who is to be trained or measured: a table of attributes, with or without a card around it. */
export interface Character {
  readonly persona: Persona;
  /** Undefined: a plain persona. */
  readonly card: RoleCard | undefined;
}

/** @param path a table of attributes (JSON, YAML, CSV), or a role card (JSON, YAML with "name" and others) @throws InputError */
export async function readCharacter(path: string): Promise<Character> {
  if (/\.(json|ya?ml)$/i.test(path)) {
    const value = readConfigFile(path);
    if (isCard(value)) {
      const card = parseConfig(cardSchema, value, { source: path });
      return { persona: personaOfCard(card, path), card };
    }
  }
  return { persona: await readAttributes(path), card: undefined };
}

const CARD_KEYS = ['style', 'background', 'examples', 'never', 'speech', 'attributes'];

function isCard(value: unknown): boolean {
  return typeof value === 'object' && value !== null && CARD_KEYS.some((key) => Object.hasOwn(value, key));
}

function personaOfCard(card: RoleCard, source: string): Persona {
  const pairs = pairsOf(card.attributes, `${source}: attributes`);
  const given = personaOf([{ key: '姓名|名字|称呼|name', value: card.name, place: source }], source);
  if (pairs.length === 0) return given;
  const persona = personaOf(pairs, source);
  const own = persona.find('name');
  if (own === undefined)
    return personaOf([{ key: '姓名|名字|称呼|name', value: card.name, place: source }, ...pairs], source);
  if (own.value !== card.name)
    throw new InputError(
      `${source}: the name is "${card.name}", and attributes say "${own.value}"; give it once, or twice alike.`,
    );
  return persona;
}

/** What a teacher is told of the character before the persona. */
export function openingOf({ card }: Character): string {
  if (card === undefined) return '';
  const parts = [
    card.style === undefined ? [] : [`##说话风格:${card.style}`],
    card.background === undefined ? [] : [`##背景:${card.background}`],
    card.examples.map(({ user, assistant }) => `##例句:用户:${user}回答:${assistant}`),
    card.never.length === 0 ? [] : [`##绝不会说:${card.never.join('、')}`],
  ].flat();
  return parts.length === 0 ? '' : `你要扮演角色“${card.name}”,始终用其说话风格回答${parts.join('')}<ret>`;
}

/** An answer in the marks of the character's style. */
export function speakAs({ card }: Character, text: string, language: Language): string {
  const { begins = '', ends = '' } = card?.speech[language] ?? {};
  const found = /^([\s\S]*?)([。.！!？?]*)$/.exec(text);
  return `${begins}${found?.[1] ?? text}${ends}${found?.[2] ?? ''}`;
}

/** Whether an answer has them; undefined where the card names none for this language. */
export function isInStyle({ card }: Character, answer: string, language: Language): boolean | undefined {
  const { begins, ends } = card?.speech[language] ?? {};
  if (begins === undefined && ends === undefined) return undefined;
  const plain = comparable(answer);
  return (
    (begins === undefined || plain.startsWith(comparable(begins))) &&
    (ends === undefined || plain.endsWith(comparable(ends)))
  );
}

/** The first of its forbidden words that an answer holds. */
export function forbiddenIn({ card }: Character, answer: string): string | undefined {
  const plain = comparable(answer);
  return card?.never.find((words) => comparable(words) !== '' && plain.includes(comparable(words)));
}
