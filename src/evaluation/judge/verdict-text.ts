/**
 * Finds the one JSON object that a judge's text gives its verdict in. Fences and prose around it, thoughts before it, full-width
 * digits and marks are borne with; two verdicts that differ are none, since nobody can say which one counts.
 */
import { fieldOf } from '../../json/index.js';

/** Why a text is no verdict, by kind, for counting. */
export type Unusable =
  | 'empty answer'
  | 'refusal'
  | 'no verdict'
  | 'score out of range'
  | 'verdicts that differ'
  | 'cut off';

export type Reading<Verdict> =
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'unusable'; readonly reason: Unusable };

/** One that was found, or that is there and cannot be. */
export type Candidate<Verdict> = Verdict | 'score out of range' | undefined;

/** Of a text without end its end is read: verdicts stand there. */
const MOST_CHARACTERS = 2 ** 14;
const MOST_OBJECTS = 300;

/**
 * @param read what an object says: a verdict, something out of range, or nothing that concerns us (undefined)
 * @param isSame whether two verdicts say the same
 */
export function readVerdictText<Verdict extends object>(
  text: string,
  read: (object: object) => Candidate<Verdict>,
  isSame: (one: Verdict, other: Verdict) => boolean,
): Reading<Verdict> {
  const said = withoutThoughts(text.slice(-MOST_CHARACTERS));
  if (said === undefined) return { kind: 'unusable', reason: 'cut off' };
  if (said.trim() === '') return { kind: 'unusable', reason: 'empty answer' };
  let objects = jsonObjects(said);
  if (objects.every((object) => read(object) === undefined)) objects = jsonObjects(halfWidth(said));
  const found = objects.map(read).filter((each) => each !== undefined);
  const verdicts = found.filter((each) => typeof each === 'object');
  const [first, ...others] = verdicts;
  if (found.length === 0) return { kind: 'unusable', reason: kindOfNothing(said) };
  if (first === undefined) return { kind: 'unusable', reason: 'score out of range' };
  if (verdicts.length < found.length || others.some((other) => !isSame(first, other)))
    return { kind: 'unusable', reason: 'verdicts that differ' };
  return { kind: 'verdict', verdict: verdicts.at(-1) ?? first };
}

/** What a reasoning judge thinks is no verdict. Undefined where the thoughts never end. */
function withoutThoughts(text: string): string | undefined {
  const rest = text.replace(/<think(?:ing)?>[\s\S]*?<\/think(?:ing)?>/g, '');
  const end = /^[\s\S]*<\/think(?:ing)?>/.exec(rest)?.[0].length ?? 0;
  const behind = rest.slice(end);
  return /<think(?:ing)?>/.test(behind) ? undefined : behind;
}

/** Every outermost {…} that is JSON, also with raw line breaks in its texts. */
function jsonObjects(text: string): object[] {
  const objects: object[] = [];
  let start = text.indexOf('{');
  for (let tried = 0; start >= 0 && tried < MOST_OBJECTS; tried++) {
    const end = objectEnd(text, start);
    const value = end === undefined ? undefined : parsedObject(text.slice(start, end));
    if (value !== undefined) objects.push(value);
    start = text.indexOf('{', value === undefined || end === undefined ? start + 1 : end);
  }
  return objects;
}

/** Where the braces that open at `start` close again; braces within texts do not count. */
function objectEnd(text: string, start: number): number | undefined {
  let depth = 0;
  let isText = false;
  for (let place = start; place < text.length; place++) {
    const character = text[place];
    if (isText) {
      if (character === '\\') place += 1;
      else if (character === '"') isText = false;
    } else if (character === '"') isText = true;
    else if (character === '{') depth += 1;
    else if (character === '}') {
      depth -= 1;
      if (depth === 0) return place + 1;
    }
  }
  return undefined;
}

function parsedObject(text: string): object | undefined {
  for (const form of [text, text.replace(/\r?\n/g, ' ').replace(/\t/g, ' ')]) {
    try {
      const value: unknown = JSON.parse(form);
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
    } catch {
      // The next form may be one.
    }
  }
  return undefined;
}

/** Full-width digits, letters and marks, and curly quotation marks, as ASCII has them. */
export function halfWidth(text: string): string {
  return text
    .replace(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replace(/[“”„]/g, '"')
    .replaceAll('　', ' ');
}

const REFUSALS =
  /\b(?:i(?:['’]m| am)? (?:sorry|unable)|i (?:can(?:not|['’]t)|won['’]t|must decline)|as an ai\b|not able to (?:help|assist|comply))|抱歉|对不起|很遗憾|无法(?:评|提供|完成|满足|协助|回答)|不能(?:评|提供|协助|回答)|拒绝/i;

function kindOfNothing(text: string): Unusable {
  if (/\{[^}]*$/.test(halfWidth(text)) && /"/.test(halfWidth(text))) return 'cut off';
  return REFUSALS.test(text) ? 'refusal' : 'no verdict';
}

/** The value under the first of some spellings of a key; capitals and blanks do not count. */
export function fieldLike(object: object, ...names: readonly string[]): unknown {
  for (const key of Object.keys(object)) {
    if (names.includes(key.trim().toLowerCase())) return fieldOf(object, key);
  }
  return undefined;
}

/** The judge's words, where it gave any. */
export function reasonIn(object: object): string {
  const reason = fieldLike(object, 'reason', 'explanation', 'rationale', '理由', '评语', '原因');
  return typeof reason === 'string' ? reason.trim() : '';
}
