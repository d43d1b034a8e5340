/** Asks a model about its persona and counts how often it falls out of it. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import {
  countUnusable,
  type EvaluationResult,
  type Judge,
  type LanguageModel,
  type PromptForm,
  type RecordedRun,
  readRun,
  runEvaluation,
  type Task,
  writeReports,
} from '../../evaluation/index.js';
import { writeError, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { Character } from '../character/role-card.js';
import type { VerdictKind } from '../rules/judge-answer.js';
import { judgeByModel } from './persona-judge.js';
import { type GeneralDialogue, generalTask, personaTask, SET_FILES, talksTask } from './persona-task.js';
import { type MeasureSummary, summarise } from './summary.js';
import { makeTalks, type TestQuestion } from './test-set.js';

export interface MeasureOptions {
  readonly model: LanguageModel;
  readonly character: Character;
  readonly questions: readonly TestQuestion[];
  /** Dialogues whose last answers are held against the model's; none: not measured. */
  readonly general?: readonly GeneralDialogue[] | undefined;
  /** Talks of ten turns for each language. Default 4; 0: none. */
  readonly talks?: number | undefined;
  /** Said to the model before each question. */
  readonly system?: string | undefined;
  readonly judge?: Judge | undefined;
  readonly output: string;
  readonly overwrite?: boolean | undefined;
  /** Questions at most, from the beginning. */
  readonly limit?: number | undefined;
  readonly maxNewTokens?: number | undefined;
  readonly command: readonly string[];
  readonly today?: Date | undefined;
}

export const MEASURE_FILE = 'measure.json';
const SET_FOLDER = 'set';

/**
 * Writes measure.json beside what an evaluation writes (results.json, samples.jsonl, report.html); an interrupted measurement goes
 * on when it is asked for again.
 * @throws InputError where the folder holds the measurement of another model or persona; InterruptedError
 */
export async function measurePersona(options: MeasureOptions): Promise<MeasureSummary> {
  const { model, character, output, judge, general = [], talks: talkCount = 4, today = new Date() } = options;
  const root = join(output, SET_FOLDER);
  const talks = makeTalks(options.questions, talkCount);
  writeSet(options, [
    [SET_FILES.persona, `${JSON.stringify(describeCharacter(character, options.system), null, 1)}\n`],
    [SET_FILES.questions, jsonLines(options.questions)],
    [SET_FILES.talks, jsonLines(talks)],
    [SET_FILES.general, jsonLines(general)],
  ]);
  const common = { root, character, system: options.system, today };
  const form = model.forms[0] ?? 'chat';
  const tasks = [
    plan(personaTask(common, options.questions), form),
    ...(talks.length === 0 ? [] : [plan(talksTask(common, talks), form)]),
    ...(general.length === 0 ? [] : [plan(generalTask(root, general), form)]),
  ];
  const result = await runEvaluation(
    {
      tasks,
      limit: options.limit,
      maxNewTokens: options.maxNewTokens,
      output,
      overwrite: options.overwrite === true,
      command: options.command,
    },
    { kind: 'model', model },
    {
      runProgram: () => {
        throw new RangeError('no answer here is a program');
      },
    },
  );
  writeReports(output, result);
  const run = readRun(output);
  const judged = judge === undefined ? undefined : await askJudge(judge, options, run);
  const summary = summarise(result, run, judged);
  writeFileAtomic(join(output, MEASURE_FILE), `${JSON.stringify(summary, null, 2)}\n`);
  tellProblems(result);
  return summary;
}

function plan(task: Task, form: PromptForm): Parameters<typeof runEvaluation>[0]['tasks'][number] {
  return {
    task,
    shots: 0,
    isShotsWanted: false,
    isCot: false,
    mode: task.defaultMode,
    form,
    isSingleChoiceOnly: false,
  };
}

/** All of a character that decides a verdict. */
function describeCharacter({ persona, card }: Character, system: string | undefined): object {
  return {
    attributes: persona.attributes.map(({ key, value }) => [key, value]),
    ...(card !== undefined && { name: card.name, never: card.never, speech: card.speech }),
    ...(system !== undefined && { system }),
  };
}

function writeSet(
  { output, overwrite }: MeasureOptions,
  files: readonly (readonly [string, string])[],
): void {
  const folder = join(output, SET_FOLDER);
  const isMeasured = existsSync(join(output, 'results.json'));
  const differs = files.some(([name, text]) => {
    const path = join(folder, name);
    return existsSync(path) && readFileSync(path, 'utf8') !== text;
  });
  if (isMeasured && differs && overwrite !== true)
    throw new InputError(
      `${output} holds a measurement with other questions or another persona; give another --output, or --overwrite to begin anew.`,
    );
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw writeError(folder, error, false);
  }
  for (const [name, text] of files) writeFileAtomic(join(folder, name), text);
}

function jsonLines(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

async function askJudge(
  judge: Judge,
  { character, questions, output }: MeasureOptions,
  run: RecordedRun,
): Promise<MeasureSummary['judge']> {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const answers = (run.samples.get('persona') ?? []).flatMap(({ id, output: said, extracted }) => {
    const question = byId.get(id);
    if (question === undefined || said === null) return [];
    const outputs = typeof said === 'string' ? [said] : said;
    return [{ question, outputs, rules: verdictOfTexts(extracted) }];
  });
  const { replies, questions: asked, agreement } = await judgeByModel(judge, character, answers);
  const { unusable, failed } = countUnusable(asked, replies);
  writeFileAtomic(
    join(output, 'judge.jsonl'),
    jsonLines(
      replies.map((reply, place) => ({
        id: answers[place]?.question.id,
        rules: answers[place]?.rules,
        ...(reply.kind === 'verdict'
          ? { judge: reply.verdict.kind, reason: reply.verdict.reason }
          : { judge: null, why: reply.reason }),
      })),
    ),
  );
  return { ...judge.report, agreement, unusable: unusable.list(), failed: failed.list() };
}

/** The verdict on a question from those on its turns, as they stand in samples.jsonl. */
export function verdictOfTexts(extracted: string | readonly string[] | null): VerdictKind {
  const texts = extracted === null ? [] : typeof extracted === 'string' ? [extracted] : extracted;
  const kinds = texts.map((text) => text.split(':')[0]);
  if (kinds.includes('contradicted')) return 'contradicted';
  return kinds.includes('claimed') ? 'claimed' : 'kept';
}

function tellProblems({ tasks }: EvaluationResult): void {
  for (const { task, problems, failures } of tasks)
    for (const { reason, count, examples } of [...problems, ...failures])
      log(`${task}: ${count} x ${reason}, the first: ${examples[0]?.message ?? ''}`);
}
