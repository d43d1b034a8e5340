/** From a row to a sample, with the prompts and grades of lm-evaluation-harness. */
import { InputError } from '../../../errors/index.js';
import { RowFault } from '../../sets/set-reader.js';
import type { Grade, Prompt, Sample, SamplingWish, Shot } from '../../task.js';
import { RowField, type RowRecord } from '../row-field.js';
import type { KeyPlaces } from '../task-file.js';
import { choiceReader, type Target, targetReader, textReader } from './document-fields.js';
import { type AnswerFilter, answerFilter } from './filters.js';
import type { HarnessConfig } from './harness-schema.js';
import { choiceScores, type Metric, metricsOf } from './metrics.js';

export interface HarnessSampleMaker {
  /** As results name them. */
  readonly metrics: readonly string[];
  /** @throws RowFault */
  sample(given: HarnessRow): Sample;
}

export interface HarnessRow {
  readonly id: string;
  readonly file: string;
  readonly row: RowRecord;
  readonly examples: readonly RowRecord[];
}

/** What the parts of a question are read by. */
interface Reading {
  readonly text: (row: RowRecord) => string | number;
  readonly target: (row: RowRecord) => Target;
  readonly choices: ((row: RowRecord) => readonly string[]) | undefined;
  readonly prefix: ((row: RowRecord) => string) | undefined;
  readonly targetDelimiter: string;
}

/** @throws InputError for templates, filters and metrics that cannot be had */
export function harnessSampleMaker(config: HarnessConfig, file: KeyPlaces): HarnessSampleMaker {
  const own = readingOf(config, config, file, '');
  const ofShots = readingOf(fieldsOfShots(config), config, file, 'fewshot_config');
  const description =
    config.description == null ? undefined : new RowField(config.description, file.placeOf('description'));
  const separator = config.fewshot_config?.fewshot_delimiter ?? config.fewshot_delimiter;
  const metrics = told(file, 'metric_list', () => metricsOf(config.metric_list, config.output_type));
  const filters = filtersOf(config, file);
  const promptOf = (row: RowRecord, examples: readonly RowRecord[], question: string): Prompt => {
    const system = description?.textOf(row) ?? '';
    return {
      ...(system !== '' && { system }),
      shots: examples.map((example) => shotOf(example, ofShots)),
      question,
      separator,
    };
  };
  const build = { config, own, metrics, filters, promptOf };
  const names =
    config.output_type === 'generate_until'
      ? filters.flatMap(({ name }) => metrics.map((metric) => metricName(metric, name)))
      : metrics.map(({ name }) => name);
  return {
    metrics: [...new Set(names)],
    sample(row) {
      switch (config.output_type) {
        case 'multiple_choice':
          return choiceSample(row, build);
        case 'loglikelihood':
          return likelihoodSample(row, build);
        case 'generate_until':
          return writtenSample(row, build);
      }
    },
  };
}

interface Build {
  readonly config: HarnessConfig;
  readonly own: Reading;
  readonly metrics: readonly Metric[];
  readonly filters: readonly NamedFilter[];
  readonly promptOf: (row: RowRecord, examples: readonly RowRecord[], question: string) => Prompt;
}

interface NamedFilter {
  readonly name: string;
  readonly apply: AnswerFilter;
}

type FieldKeys = Pick<
  HarnessConfig,
  'doc_to_text' | 'doc_to_target' | 'doc_to_choice' | 'gen_prefix' | 'target_delimiter'
>;

function fieldsOfShots(config: HarnessConfig): FieldKeys {
  const own = config.fewshot_config ?? {};
  return {
    doc_to_text: own.doc_to_text ?? config.doc_to_text,
    doc_to_target: own.doc_to_target ?? config.doc_to_target,
    doc_to_choice: own.doc_to_choice ?? config.doc_to_choice,
    gen_prefix: own.gen_prefix ?? config.gen_prefix,
    target_delimiter: own.target_delimiter ?? config.target_delimiter,
  };
}

function readingOf(fields: FieldKeys, config: HarnessConfig, file: KeyPlaces, above: string): Reading {
  const hasChoices = config.doc_to_choice != null;
  const place = (key: string): string => (above === '' ? key : `${above}.${key}`);
  return {
    text: textReader(fields.doc_to_text, hasChoices, file, place('doc_to_text')),
    target: targetReader(fields.doc_to_target ?? '', hasChoices, file, place('doc_to_target')),
    choices:
      fields.doc_to_choice == null
        ? undefined
        : choiceReader(fields.doc_to_choice, file, place('doc_to_choice')),
    prefix:
      fields.gen_prefix == null || fields.gen_prefix === ''
        ? undefined
        : prefixReader(fields.gen_prefix, file),
    targetDelimiter: fields.target_delimiter,
  };
}

function prefixReader(source: string, file: KeyPlaces): (row: RowRecord) => string {
  const field = new RowField(source, file.placeOf('gen_prefix'));
  return (row) => field.textOf(row);
}

function told<Made>(file: KeyPlaces, key: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    if (error instanceof InputError && !error.message.startsWith(file.path))
      throw file.fault([key], error.message);
    throw error;
  }
}

function filtersOf({ filter_list: list }: HarnessConfig, file: KeyPlaces): NamedFilter[] {
  if (list == null) return [{ name: 'none', apply: (answers) => answers.slice(0, 1) }];
  return told(file, 'filter_list', () =>
    list.map(({ name, filter }) => {
      const steps = filter.map(answerFilter);
      return { name, apply: (answers, row) => steps.reduce((left, step) => step(left, row), answers) };
    }),
  );
}

function metricName({ name }: Metric, filter: string): string {
  return filter === 'none' ? name : `${name},${filter}`;
}

const endsInSpace = (text: string): boolean => /\s$/.test(text);
const beginsWithSpace = (text: string): boolean => /^\s/.test(text);

/** The question as it stands before an answer or the beginning of one. */
function questionOf(text: string, prefix: string | undefined, delimiter: string): string {
  if (prefix === undefined) return text;
  const needsDelimiter = text !== '' && !endsInSpace(text) && !beginsWithSpace(prefix);
  return `${text}${needsDelimiter ? delimiter : ''}${prefix}`;
}

/** A number is the text of a choice. */
function textAt(value: string | number, choices: readonly string[] | undefined): string {
  if (typeof value === 'string' || choices === undefined) return String(value);
  const choice = choices.at(value);
  if (choice !== undefined) return choice;
  throw new RowFault(
    'answer out of range',
    `the answer is at place ${value}; there are ${choices.length} choices.`,
  );
}

function shotOf(row: RowRecord, { text, target, choices, prefix, targetDelimiter }: Reading): Shot {
  const own = choices?.(row);
  const wanted = target(row);
  const [first] = [wanted].flat();
  const right = first === undefined || first === null ? '' : textAt(first, own);
  const question = textAt(text(row), own);
  const before = prefix?.(row);
  if (before === undefined) return { question, answer: `${right === '' ? '' : targetDelimiter}${right}` };
  const isApart = endsInSpace(before) || beginsWithSpace(right) || right === '';
  return { question: questionOf(question, before, targetDelimiter), answer: `${isApart ? '' : ' '}${right}` };
}

function choiceSample(
  { id, file, row, examples }: HarnessRow,
  { config, own, metrics, promptOf }: Build,
): Sample {
  if (own.choices === undefined)
    throw new InputError(`${config.task}: output_type multiple_choice needs doc_to_choice.`);
  const options = own.choices(row);
  const text = own.text(row);
  const target = own.target(row);
  const prefix = own.prefix?.(row);
  const { targetDelimiter } = own;
  // A number in place of the question: each choice is a context, and what stands behind all is the target.
  const isByContext = typeof text === 'number';
  const golds = placesOf(isByContext ? text : target, options);
  const choices = isByContext
    ? options.map((option) => ({
        lead: questionOf(option, prefix, ''),
        continuations: [`${targetDelimiter}${String([target].flat()[0] ?? '')}`],
      }))
    : [
        {
          continuations: options.map((option) => `${targetDelimiter}${option}`),
          texts: options,
          answer: golds[0],
        },
      ];
  const question = isByContext ? '' : questionOf(text, prefix, targetDelimiter);
  const right = golds.map(String);
  return {
    id,
    file,
    groups: [file],
    target: right.length === 1 ? (right[0] ?? null) : right,
    prompt: promptOf(row, examples, question),
    choices,
    grade: () => ({ extracted: null, isCorrect: [false] }),
    gradeChoices: (logLikelihoods, isGreedy) => {
      const sums = logLikelihoods.flat();
      const scores = choiceScores(sums, isGreedy.flat(), options, golds);
      const place = String(sums.indexOf(Math.max(...sums)));
      const wanted = metrics.map(({ name }): [string, number] => [
        name,
        scores[name] ?? Number(right.includes(place)),
      ]);
      return { extracted: place, isCorrect: [scores.acc === 1], others: Object.fromEntries(wanted) };
    },
  };
}

/** @throws RowFault where one of them is none of the choices */
function placesOf(target: Target, options: readonly string[]): number[] {
  return [target].flat().map((each) => {
    const place = typeof each === 'number' ? each : each === null ? -1 : options.indexOf(each);
    if (Number.isInteger(place) && place >= 0 && place < options.length) return place;
    throw new RowFault(
      'answer out of range',
      `the answer is ${JSON.stringify(each)}; the choices are ${options
        .map((option) => JSON.stringify(option))
        .join(', ')
        .slice(0, 200)}.`,
    );
  });
}

function likelihoodSample({ id, file, row, examples }: HarnessRow, { own, promptOf }: Build): Sample {
  const right = String([own.target(row)].flat()[0] ?? '');
  if (right === '') throw new RowFault('missing field', 'doc_to_target gives no text.');
  return {
    id,
    file,
    groups: [file],
    target: right,
    prompt: promptOf(
      row,
      examples,
      questionOf(String(own.text(row)), own.prefix?.(row), own.targetDelimiter),
    ),
    choices: [{ continuations: [right], answer: 0 }],
    grade: () => ({ extracted: null, isCorrect: [false] }),
    gradeChoices: ([[sum = Number.NaN] = []], [[isGreedy = false] = []]) => ({
      extracted: null,
      isCorrect: [isGreedy],
      others: { perplexity: sum, acc: Number(isGreedy) },
    }),
  };
}

function writtenSample(given: HarnessRow, { config, own, metrics, filters, promptOf }: Build): Sample {
  const { id, file, row, examples } = given;
  const target = own.target(row);
  const choices = own.choices?.(row);
  const golds = [target].flat().map((each) => (each === null ? 'None' : textAt(each, choices)));
  const generation = config.generation_kwargs ?? {};
  const stop = generation.until ?? [config.fewshot_delimiter];
  const sampling = samplingOf(config);
  const [reference = ''] = golds;
  return {
    id,
    file,
    groups: [file],
    target: golds.length === 1 ? reference : golds,
    prompt: promptOf(
      row,
      examples,
      questionOf(textAt(own.text(row), choices), own.prefix?.(row), own.targetDelimiter),
    ),
    reference: `${own.targetDelimiter}${reference}`,
    stop: stop.filter((each) => each !== ''),
    maxNewTokens: generation.max_gen_toks ?? generation.max_new_tokens ?? 256,
    ...(config.repeats > 1 && { repeats: config.repeats }),
    ...(sampling !== undefined && { sampling }),
    grade: (outputs) =>
      gradeWritten(
        outputs.map((output) => beforeStops(output, stop)),
        { row, golds, metrics, filters },
      ),
  };
}

/** Undefined: the likeliest token is taken. */
function samplingOf({ generation_kwargs: generation }: HarnessConfig): SamplingWish | undefined {
  const { do_sample: isSampled = false, temperature, top_p: topP, top_k: topK } = generation ?? {};
  if (!isSampled || temperature === 0) return undefined;
  return { temperature: temperature ?? 1, topP, topK };
}

function beforeStops(text: string, stops: readonly string[]): string {
  return stops.reduce((kept, stop) => (stop === '' ? kept : (kept.split(stop)[0] ?? '')), text);
}

function gradeWritten(
  outputs: readonly string[],
  {
    row,
    golds,
    metrics,
    filters,
  }: {
    readonly row: RowRecord;
    readonly golds: readonly string[];
    readonly metrics: readonly Metric[];
    readonly filters: readonly NamedFilter[];
  },
): Grade {
  const others: Record<string, number> = {};
  let extracted: string | readonly string[] | null = null;
  for (const [place, { name, apply }] of filters.entries()) {
    const answers = apply(outputs, row);
    if (place === 0) extracted = answers.length === 1 ? (answers[0] ?? null) : answers;
    for (const metric of metrics) {
      const right = answers.filter((answer) => golds.some((gold) => metric.isSame(answer, gold))).length;
      others[metricName(metric, name)] = answers.length === 0 ? 0 : right / answers.length;
    }
  }
  const [first = 0] = Object.values(others);
  return { extracted, isCorrect: [first === 1], others };
}
