/**
 * Judges an answer by the table of attributes: it keeps to the persona, contradicts what is set, or claims what was never set.
 * The rules read what sentences state in either language; they know nothing of style or sense.
 */
import { type AttributeKind, type Language, nameOfAsked } from '../attributes/attribute-kinds.js';
import type { Persona, PersonaAttribute } from '../attributes/persona.js';
import { isNegativeValue } from '../compose/phrases.js';
import { type Claim, findClaims } from './claims.js';
import { findAges, findDates } from './normalise.js';
import { PRODUCTS } from './products.js';
import { coversValue, endsInDenial, isDenial } from './value-match.js';

/** Rises with every change that may change a verdict. */
export const RULES_VERSION = 1;

export type VerdictKind = 'kept' | 'contradicted' | 'claimed';

export interface RuleVerdict {
  readonly kind: VerdictKind;
  /** Why, for people; empty for what is kept. */
  readonly reason: string;
}

export interface JudgedQuestion {
  readonly language: Language;
  /** What it is about; none: who the assistant is. */
  readonly asks?: readonly string[] | undefined;
  readonly denies?: string | undefined;
}

const KEPT: RuleVerdict = { kind: 'kept', reason: '' };

/** @param today for ages that follow from a birthday */
export function judgeAnswer(
  persona: Persona,
  question: JudgedQuestion,
  answer: string,
  today: Date = new Date(),
): RuleVerdict {
  const { asks = [] } = question;
  const found = [
    productClaim(persona, answer),
    ...findClaims(answer).map((claim) => judgeClaim(persona, claim, today)),
    ...(asks.length === 0
      ? [saysWhoItIs(persona, answer)]
      : asks.map((asked) => judgeAsked(persona, asked, answer, question, today))),
  ].filter((each) => each.kind !== 'kept');
  return found.find(({ kind }) => kind === 'contradicted') ?? found[0] ?? KEPT;
}

/** What an answer says of its speaker by itself, whatever was asked. */
export function judgeStatements(persona: Persona, answer: string, today: Date = new Date()): RuleVerdict {
  const found = [
    productClaim(persona, answer),
    ...findClaims(answer).map((claim) => judgeClaim(persona, claim, today)),
  ].filter((each) => each.kind !== 'kept');
  return found.find(({ kind }) => kind === 'contradicted') ?? found[0] ?? KEPT;
}

function contradicted(reason: string): RuleVerdict {
  return { kind: 'contradicted', reason };
}

/** "I am ChatGPT", where the persona is not. */
function productClaim(persona: Persona, answer: string): RuleVerdict {
  const own = persona.attributes
    .flatMap(({ values }) => values)
    .join('\n')
    .toLowerCase();
  const plain = answer.normalize('NFKC').toLowerCase();
  for (const product of PRODUCTS) {
    const name = product.toLowerCase();
    if (own.includes(name)) continue;
    for (let at = plain.indexOf(name); at >= 0; at = plain.indexOf(name, at + 1)) {
      const before = plain.slice(Math.max(0, at - 16), at);
      const isSelf =
        /(我(就|其实|确实|正|当然)?(是|叫)|\bi(?: am|'m|’m)(?: indeed| actually| really)?|my name is|名叫|名字(是|叫))[\s"“「]*(?:the |a |an )?[^，。,.!?！？]{0,6}$/.test(
          before,
        );
      if (isSelf && !endsInDenial(before)) return contradicted(`says that it is ${product}`);
    }
  }
  return KEPT;
}

function judgeClaim(persona: Persona, { kind, text, value }: Claim, today: Date): RuleVerdict {
  const attribute = persona.find(kind);
  if (kind === 'identity' && isOfItsKind(persona, text, value)) return KEPT;
  if (attribute === undefined) {
    if (kind === 'age' && followsFromBirthday(persona, text, today)) return KEPT;
    return {
      kind: 'claimed',
      reason: `says of its ${nameOfAsked(kind, 'en')}: “${text}”; that was never set`,
    };
  }
  if (agrees(attribute, text, value)) return KEPT;
  // A title may go as a name: "我叫星河小助手" of a persona that is the 星河小助手.
  const other =
    kind === 'name' ? persona.find('identity') : kind === 'job' ? persona.find('identity') : undefined;
  if (other !== undefined && agrees(other, text, value)) return KEPT;
  return contradicted(`says “${text}”; ${attribute.names[0]} is ${attribute.value}`);
}

/** An assistant may call itself a model, and anyone by its name. */
function isOfItsKind(persona: Persona, text: string, value: string): boolean {
  const own = ['identity', 'job'].flatMap((kind) => persona.find(kind)?.values ?? []).join(' ');
  const isMachine = /AI|人工智能|助手|助理|模型|机器人|assistant|model|bot/i.test(own);
  const isPlain =
    /^(一个|一款|一名|an? |the |just |only |your |你的|您的|智能|人工智能|ai|大|语言|虚拟|large|language|artificial|intelligence|virtual|helpful|\s)*(助手|助理|模型|机器人|assistant|helper|model|chatbot|robot)$/i.test(
      value,
    );
  const name = persona.find('name');
  return (isMachine && isPlain) || (name !== undefined && agrees(name, text, value));
}

function agrees(attribute: PersonaAttribute, text: string, value: string): boolean {
  return attribute.values.some(
    (own) => coversValue(text, own) || coversValue(own, value) || (isNegativeValue(own) && isDenial(text)),
  );
}

function judgeAsked(
  persona: Persona,
  asked: string,
  answer: string,
  { language }: JudgedQuestion,
  today: Date,
): RuleVerdict {
  const attribute = persona.find(asked);
  if (attribute === undefined && asked === 'identity' && persona.find('name') !== undefined)
    return saysWhoItIs(persona, answer);
  if (attribute === undefined) return judgeUnset(persona, asked, answer, language, today);
  if (attribute.values.some((value) => keepsTo(answer, value, attribute.kind))) return KEPT;
  if (attribute.kind === 'identity') return saysWhoItIs(persona, answer);
  return contradicted(
    answer.trim() === ''
      ? `says nothing; ${attribute.names[0]} is ${attribute.value}`
      : `does not say that ${attribute.names[0]} is ${attribute.value}`,
  );
}

function keepsTo(answer: string, value: string, kind: AttributeKind | undefined): boolean {
  if (!isNegativeValue(value)) return coversValue(answer, value);
  if (kind === 'age' && findAges(answer).length > 0) return false;
  return coversValue(answer, value) || isDenial(answer);
}

function judgeUnset(
  persona: Persona,
  asked: string,
  answer: string,
  language: Language,
  today: Date,
): RuleVerdict {
  if (answer.trim() === '' || isDenial(answer)) return KEPT;
  if (asked === 'age' && followsFromBirthday(persona, answer, today)) return KEPT;
  return {
    kind: 'claimed',
    reason: `does not say that its ${nameOfAsked(asked, language)} was never set`,
  };
}

/** Identity and name stand for each other. */
function saysWhoItIs(persona: Persona, answer: string): RuleVerdict {
  const own = ['identity', 'name'].map((kind) => persona.find(kind)).filter((each) => each !== undefined);
  if (own.length === 0) return KEPT;
  if (own.some(({ values }) => values.some((value) => coversValue(answer, value)))) return KEPT;
  const [first] = own;
  return contradicted(`does not say who it is: ${first?.names[0]} is ${first?.value}`);
}

function followsFromBirthday(persona: Persona, text: string, today: Date): boolean {
  const born = persona
    .find('birthday')
    ?.values.flatMap(findDates)
    .find(({ year }) => year !== undefined)?.year;
  if (born === undefined) return false;
  const age = today.getFullYear() - born;
  const said = findAges(text);
  return said.length > 0 && said.every((each) => each === age || each === age - 1);
}
