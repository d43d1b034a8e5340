/** An answer in character made from the table of attributes alone: the reference answers, and a teacher where there is no model. */
import { createHash } from 'node:crypto';
import { kindOfName, type Language } from '../attributes/attribute-kinds.js';
import type { Persona } from '../attributes/persona.js';
import { coversValue } from '../rules/value-match.js';
import { clauseOf, unsetClause } from './phrases.js';

export interface ComposedQuestion {
  readonly id: string;
  readonly language: Language;
  readonly asks?: readonly string[] | undefined;
  readonly premise?: string | undefined;
  readonly denies?: string | undefined;
}

/** A sentence or two. Equal questions have equal answers. */
export function composeAnswer(persona: Persona, question: ComposedQuestion): string {
  const { language, asks = [], premise, denies } = question;
  const asked = asks.length === 0 ? whoItIs(persona) : asks;
  const clauses = asked.map((name) => clauseFor(persona, name, question));
  const lead = leadOf(persona, asked[0], premise, denies, language);
  return sentenceOf([...(lead === undefined ? [] : [lead]), ...clauses], language);
}

/** What "who are you" is answered with, as far as it is set. */
function whoItIs(persona: Persona): readonly string[] {
  const known = ['identity', 'name'].filter((kind) => persona.find(kind) !== undefined);
  return known.length === 0 ? ['name'] : known;
}

function clauseFor(persona: Persona, asked: string, { id, language }: ComposedQuestion): string {
  // Who has no role still has a name.
  const attribute =
    persona.find(asked) ?? (kindOfName(asked) === 'identity' ? persona.find('name') : undefined);
  if (attribute === undefined) return unsetClause(asked, language, variantOf(id));
  return clauseOf(
    attribute.names[0] ?? asked,
    attribute.kind,
    persona.valueIn(attribute, language),
    language,
  );
}

function leadOf(
  persona: Persona,
  asked: string | undefined,
  premise: string | undefined,
  denies: string | undefined,
  language: Language,
): string | undefined {
  if (denies !== undefined) {
    const isThat = persona.attributes.some(
      ({ kind, values }) =>
        (kind === 'name' || kind === 'identity') && values.some((value) => coversValue(value, denies)),
    );
    if (isThat) return language === 'zh' ? '是的' : 'yes';
    return language === 'zh' ? `不，我不是${denies}` : `no, I am not ${denies}`;
  }
  if (premise === undefined || asked === undefined) return undefined;
  const attribute = persona.find(asked);
  if (attribute === undefined) return undefined;
  const isTrue = attribute.values.some((value) => coversValue(premise, value));
  if (language === 'zh') return isTrue ? '是的' : '不是';
  return isTrue ? 'yes' : 'no';
}

function variantOf(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE(0);
}

function sentenceOf(clauses: readonly string[], language: Language): string {
  if (language === 'zh') return `${clauses.join('，')}。`;
  const [first = '', ...rest] = clauses;
  const text = [first, ...rest]
    .join(', ')
    .replace(/, ([^,]*)$/, clauses.length > 1 && !/^(yes|no)\b/.test(first) ? ' and $1' : ', $1');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
