/** One line of a set of dialogues. */
import { InputError } from '../../../errors/index.js';
import { fieldOf } from '../../../json/index.js';
import { type Row, RowFault, textOf, textsOf } from '../../sets/set-reader.js';
import type { JudgedDialogue } from '../../task.js';

const KEYS = ['dimension', 'criteria', 'language', 'system', 'turns', 'reference', 'points'];

/**
 * @param stem of the file: the dimension where the line names none
 * @throws RowFault for what is missing, of another type, or unknown
 */
export function readDialogueLine({ value }: Row, stem: string): JudgedDialogue {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RowFault('wrong field', `a dialogue is {"turns": ["…"]}, found ${JSON.stringify(value)}`);
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key));
  if (unknown !== undefined)
    throw new RowFault('unknown field', `"${unknown}" has no meaning here; there are ${KEYS.join(', ')}`);
  const turns = textsOf(value, 'turns');
  if (turns.length === 0 || turns.some((turn) => turn.trim() === ''))
    throw new RowFault('empty turn', 'each of "turns" must say something, and one at least is needed');
  const dimension = optionalText(value, 'dimension') ?? stem;
  return {
    dimension,
    criteria: optionalText(value, 'criteria'),
    language: languageOf(value, turns),
    system: optionalText(value, 'system'),
    turns,
    reference: optionalText(value, 'reference'),
    points: fieldOf(value, 'points') === undefined ? [] : textsOf(value, 'points'),
  };
}

function optionalText(value: object, key: string): string | undefined {
  const given: unknown = fieldOf(value, key);
  if (given === undefined || given === null) return undefined;
  const text = textOf(value, key);
  if (text.trim() === '') throw new RowFault('empty field', `"${key}" says nothing; leave it out`);
  return text;
}

/** As the line says; else by its script. */
function languageOf(value: object, turns: readonly string[]): 'zh' | 'en' {
  const language = optionalText(value, 'language');
  if (language === undefined) return /\p{Script=Han}/u.test(turns.join('')) ? 'zh' : 'en';
  if (language === 'zh' || language === 'en') return language;
  throw new RowFault('wrong field', `"language" is ${JSON.stringify(language)}; there are "zh" and "en"`);
}

/** @throws InputError where a file of one's own has a name that gives no ids */
export function checkDialogueFile(path: string): void {
  if (!/\.(jsonl|ndjson|json|parquet)(\.gz)?$/i.test(path))
    throw new InputError(`--dialogues ${path}: give a file of JSON Lines, named *.jsonl.`);
}
