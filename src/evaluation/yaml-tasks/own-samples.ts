/** From rows to samples, by the kind of the task. */
import { InputError } from '../../errors/index.js';
import { firstOption } from '../graders/first-option.js';
import { optionLetters } from '../graders/option-letters.js';
import { parsePythonLiteral } from '../graders/python-literal.js';
import { type PythonPattern, pythonPattern, selectMatch } from '../graders/python-pattern.js';
import { strip } from '../graders/python-text.js';
import { RowFault } from '../sets/set-reader.js';
import { graded, type Prompt, type Sample, type Shot } from '../task.js';
import type { ChoiceConfig, ExactMatchConfig, OwnTaskConfig, RegexConfig } from './own-task-schema.js';
import { RowField, type RowRecord } from './row-field.js';
import type { TaskFile } from './task-file.js';

export interface SampleMaker {
  /** @throws RowFault for a row that is not as the task needs it */
  sample(given: GivenRow): Sample;
  /** The row as a worked example. @throws RowFault */
  shot(row: RowRecord): Shot;
}

export interface GivenRow {
  readonly id: string;
  readonly file: string;
  readonly row: RowRecord;
  readonly shots: readonly Shot[];
}

/** What is particular to a kind. */
interface RowReading extends Pick<Sample, 'target' | 'choices' | 'reference' | 'grade'> {
  /** Values of templates beside the columns. */
  readonly more: RowRecord;
  /** As an example shows it. */
  readonly shown: string;
}

/** @throws InputError for a faulty template or pattern */
export function sampleMakerOf(config: OwnTaskConfig, file: TaskFile): SampleMaker {
  const field = (source: string, ...key: readonly PropertyKey[]): RowField =>
    new RowField(source, file.placeOf(...key));
  const optional = (source: string | undefined, key: string): RowField | undefined =>
    source === undefined ? undefined : field(source, key);
  const prompt = field(config.prompt, 'prompt');
  const header = optional(config.header, 'header');
  const system = optional(config.system, 'system');
  const groups =
    config.group === undefined ? [] : [config.group].flat().map((source) => field(source, 'group'));
  const read = readingOf(config, file, field);
  const promptOf = (row: RowRecord, more: RowRecord, shots: readonly Shot[]): Prompt => ({
    ...(system !== undefined && { system: system.textOf(row) }),
    ...(header !== undefined && { header: header.textOf(row) }),
    shots,
    question: prompt.textOf(row, more),
    separator: config.separator,
  });
  return {
    sample({ id, file: stem, row, shots }) {
      const { more, shown: _shown, ...reading } = read(row);
      return {
        id,
        file: stem,
        groups: [...new Set([...groups.map((each) => each.textOf(row)), stem])],
        ...reading,
        prompt: promptOf(row, more, shots),
        stop: config.stop ?? ['\n\n'],
        maxNewTokens: config.max_new_tokens,
      };
    },
    shot(row) {
      const { more, shown } = read(row);
      return { question: prompt.textOf(row, more), answer: `${config.blank}${shown}` };
    },
  };
}

type FieldMaker = (source: string, ...key: readonly PropertyKey[]) => RowField;

function readingOf(config: OwnTaskConfig, file: TaskFile, field: FieldMaker): (row: RowRecord) => RowReading {
  switch (config.kind) {
    case 'choice':
      return choiceReading(config, field);
    case 'exact-match':
      return exactReading(config, file, field);
    case 'regex':
      return patternReading(config, file, field);
  }
}

function choiceReading(config: ChoiceConfig, field: FieldMaker): (row: RowRecord) => RowReading {
  const { blank, compare, answer_is: form } = config;
  const answer = field(config.answer, 'answer');
  const sources =
    typeof config.options === 'string'
      ? field(config.options, 'options')
      : config.options.map((source, place) => field(source, 'options', place));
  return (row) => {
    const options =
      sources instanceof RowField ? listOf(sources, row) : sources.map((each) => each.textOf(row));
    const empty = options.findIndex((option) => strip(option) === '');
    if (options.length < 2 || empty >= 0)
      throw new RowFault(
        'missing option',
        `there are ${options.length} options${empty < 0 ? '' : `, number ${empty + 1} is empty`}.`,
      );
    const letters = optionLetters(options.length);
    const lettered = letters.map((letter, place) => `${letter}. ${options[place] ?? ''}`).join('\n');
    const right = placeOf(answer.textOf(row), { form, options, letters });
    const target = right === undefined ? null : (letters[right] ?? null);
    const shown = compare === 'letters' ? letters : options;
    return {
      more: { options, letters, lettered },
      target,
      choices: [
        {
          continuations: shown.map((text) => `${blank}${text}`),
          ...(compare === 'texts' && { texts: options }),
          answer: right,
        },
      ],
      shown: right === undefined ? '' : (shown[right] ?? ''),
      grade: (outputs) => graded(outputs, (output) => firstOption(output, letters.join('')) || null, target),
    };
  };
}

/** A column that is a list, or a template that prints one. */
function listOf(source: RowField, row: RowRecord): string[] {
  const column = source.columnOf(row)?.value;
  const value = Array.isArray(column) ? column : literalOf(source.textOf(row));
  if (!Array.isArray(value))
    throw new RowFault('wrong field', `"options" is ${JSON.stringify(value)}; a list is needed.`);
  return value.map(String);
}

function literalOf(text: string): unknown {
  try {
    return parsePythonLiteral(text, 'options');
  } catch (error) {
    if (error instanceof InputError) throw new RowFault('wrong field', error.message);
    throw error;
  }
}

/** Undefined where the set keeps its answers: an empty field. */
function placeOf(
  answer: string,
  {
    form,
    options,
    letters,
  }: { form: ChoiceConfig['answer_is']; options: readonly string[]; letters: readonly string[] },
): number | undefined {
  const text = strip(answer);
  if (text === '') return undefined;
  const place = {
    letter: () => letters.indexOf(text.toUpperCase()),
    index: () => (/^\d+$/.test(text) ? Number(text) : -1),
    number: () => (/^\d+$/.test(text) ? Number(text) - 1 : -1),
    text: () => options.findIndex((option) => strip(option) === text),
  }[form]();
  if (place >= 0 && place < options.length) return place;
  const expected = {
    letter: `one of ${letters.join(', ')}`,
    index: `a place from 0 to ${options.length - 1}`,
    number: `a number from 1 to ${options.length}`,
    text: `one of the options (${options.join(' | ')})`,
  }[form];
  throw new RowFault(
    'answer out of range',
    `the answer is ${JSON.stringify(answer)}; ${expected} is needed.`,
  );
}

/** The right answers: a column that is a list has several. */
function answersOf(answer: RowField, row: RowRecord): string[] {
  const column = answer.columnOf(row)?.value;
  const texts = Array.isArray(column) ? column.map(String) : [answer.textOf(row)];
  if (texts.length === 0) throw new RowFault('missing field', '"answer" is an empty list.');
  return texts;
}

function exactReading(
  config: ExactMatchConfig,
  file: TaskFile,
  field: FieldMaker,
): (row: RowRecord) => RowReading {
  const answer = field(config.answer, 'answer');
  const ignored = config.ignore.map((source, place) => patternOf(source, file, ['ignore', place]));
  const plain = (text: string): string => {
    let kept = ignored.reduce((rest, pattern) => pattern.replaceAll(rest, ''), text);
    if (config.ignore_case) kept = kept.toLowerCase();
    if (config.ignore_punctuation) kept = kept.replace(/\p{P}/gu, '');
    return strip(kept);
  };
  return (row) => {
    const answers = answersOf(answer, row);
    const wanted = answers.map(plain);
    return answerReading(config, answers, ([output = '']) => {
      const extracted = plain(output);
      return { extracted, isCorrect: [wanted.includes(extracted)] };
    });
  };
}

function answerReading(
  { blank }: OwnTaskConfig,
  answers: readonly string[],
  grade: Sample['grade'],
): RowReading {
  const [shown = ''] = answers;
  return {
    more: {},
    target: answers.length === 1 ? shown : answers,
    shown,
    reference: `${blank}${shown}`,
    grade,
  };
}

function patternReading(
  config: RegexConfig,
  file: TaskFile,
  field: FieldMaker,
): (row: RowRecord) => RowReading {
  const answer = field(config.answer, 'answer');
  const pattern = patternOf(config.pattern, file, ['pattern']);
  const place = config.take === 'first' ? 0 : -1;
  const isRight = (given: string, right: string): boolean => {
    if (config.compare === 'number') return Math.abs(numberOf(given) - numberOf(right)) <= config.tolerance;
    return config.ignore_case ? given.toLowerCase() === right.toLowerCase() : given === right;
  };
  return (row) => {
    const answers = answersOf(answer, row).map(strip);
    const odd =
      config.compare === 'number' ? answers.find((text) => Number.isNaN(numberOf(text))) : undefined;
    if (odd !== undefined)
      throw new RowFault('answer out of range', `the answer is ${JSON.stringify(odd)}; a number is needed.`);
    return answerReading(config, answers, ([output = '']) => {
      const extracted = selectMatch(pattern.findAll(output), place) ?? null;
      return {
        extracted,
        isCorrect: [extracted !== null && answers.some((right) => isRight(extracted, right))],
      };
    });
  };
}

/** Thousands may be set off by commas or blanks, a sign of money or per cent may stand beside it; NaN for none. */
function numberOf(text: string): number {
  const bare = strip(text)
    .replace(/^[$€£¥￥]\s*/u, '')
    .replace(/\s*[%％.]$/u, '')
    .replace(/(?<=\d)[,，\u00a0\u202f ](?=\d{3}(?!\d))/gu, '');
  return bare === '' ? Number.NaN : Number(bare);
}

function patternOf(source: string, file: TaskFile, key: readonly PropertyKey[]): PythonPattern {
  try {
    return pythonPattern(source);
  } catch (error) {
    if (error instanceof InputError) throw file.fault(key, `${error.message}.`);
    throw error;
  }
}
