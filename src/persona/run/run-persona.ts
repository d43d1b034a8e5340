/** All steps in one folder, from the table of attributes to the table of before and after. A step that is done is not done again. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { InputError } from '../../errors/index.js';
import {
  compareRuns,
  type Judge,
  type LanguageModel,
  readRun,
  writeComparison,
} from '../../evaluation/index.js';
import { readJsonFile, readJsonLines, writeError, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import { type Character, openingOf } from '../character/role-card.js';
import { extractAnswers } from '../extract/extract-answers.js';
import { QA_FILE } from '../extract/qa-file.js';
import { MEASURE_FILE, measurePersona } from '../measure/measure-persona.js';
import type { GeneralDialogue } from '../measure/persona-task.js';
import { type MeasureSummary, summaryMarkdown } from '../measure/summary.js';
import { readTestQuestions } from '../measure/test-set.js';
import { GENERAL_TEST_FILE, preparePersona, TEST_FILE, TRAIN_FILE } from '../prepare/prepare-persona.js';
import { CONFIG_FILE, writeTrainConfig } from '../prepare/train-config.js';
import type { PromptForm } from '../prompts/prompt-form.js';
import { assemblePrompts, promptsText, type TeacherPrompt } from '../prompts/teacher-prompt.js';
import { RULES_VERSION } from '../rules/judge-answer.js';
import { readTemplate } from '../template/template-line.js';

export interface RunPersonaOptions {
  readonly output: string;
  /** Model folder or weight file to begin with. */
  readonly model: string;
  readonly character: Character;
  readonly form: PromptForm;
  /** Default: ours. */
  readonly template?: string | undefined;
  readonly general: readonly string[];
  readonly generalShare?: number | undefined;
  readonly lora: boolean;
  /** Changes to the training configuration: key=value. */
  readonly set: readonly string[];
  readonly seed?: number | undefined;
  readonly threads?: number | undefined;
  readonly talks?: number | undefined;
  readonly maxNewTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly overwrite: boolean;
  readonly command: readonly string[];
  readonly openTeacher: (prompts: readonly TeacherPrompt[]) => Promise<LanguageModel>;
  /** Asked twice: for the model before, and for the one after. */
  readonly openModel: (path: string) => Promise<LanguageModel>;
  readonly openJudge: (folder: string) => Promise<Judge | undefined>;
  /** Runs a training configuration with these changes, or goes on with it. */
  readonly train: (config: string, set: readonly string[]) => Promise<void>;
}

export interface PersonaRunReport {
  readonly before: MeasureSummary;
  readonly after: MeasureSummary;
  readonly model: string;
  readonly adapter: string | null;
}

export const RUN_FOLDERS = {
  answers: 'answers',
  data: 'data',
  before: 'before',
  training: 'training',
  after: 'after',
  comparison: 'comparison',
} as const;

/** @throws InputError for whatever of it is wrong; InterruptedError after a signal, the same command then goes on */
export async function runPersona(options: RunPersonaOptions): Promise<PersonaRunReport> {
  const { output } = options;
  try {
    mkdirSync(output, { recursive: true });
  } catch (error) {
    throw writeError(output, error, false);
  }
  const stages = new Stages(output);
  const folder = (name: keyof typeof RUN_FOLDERS): string => join(output, RUN_FOLDERS[name]);

  heading(1, 'assemble: a prompt for each question of the template');
  const prompts = assemble(options);

  heading(2, 'extract: the answers of the teacher');
  const extracted = await extractAnswers({
    prompts,
    output: folder('answers'),
    openTeacher: () => options.openTeacher(prompts),
    maxNewTokens: options.maxNewTokens,
    temperature: options.temperature,
  });
  for (const [reason, count] of Object.entries(extracted.failed)) log(`${count} x no answer: ${reason}`);
  if (extracted.answered === 0)
    throw new InputError(
      `the teacher gave no answer that is of use; ${folder('answers')}/data_exception.json says why.`,
    );

  heading(3, 'prepare: what is learned, what is watched, what is measured');
  const prepared = await preparePersona({
    qaFile: join(folder('answers'), QA_FILE),
    character: options.character,
    output: folder('data'),
    general: options.general,
    generalShare: options.generalShare,
    seed: options.seed,
  });
  log(
    `${prepared.train} dialogues to learn (${prepared.general} of them general ones), ${prepared.validation} to watch, ` +
      `${prepared.test} questions and ${prepared.generalTest} general dialogues to measure`,
  );
  for (const [reason, count] of Object.entries(prepared.leftOut)) log(`left out: ${count} x ${reason}`);

  heading(4, 'measure: the model before');
  const before = await measure(options, stages, 'before', options.model);

  heading(5, 'train');
  await trainStage(options, stages, folder('training'), folder('data'));

  heading(6, 'measure: the model after');
  const trained = join(folder('training'), 'final');
  const after = await measure(options, stages, 'after', trained);

  const runs = [readRun(folder('before')), readRun(folder('after'))];
  writeComparison(folder('comparison'), runs, compareRuns(runs));
  const report: PersonaRunReport = {
    before,
    after,
    model: trained,
    adapter: options.lora ? join(folder('training'), 'adapter') : null,
  };
  writeFileAtomic(join(output, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  writeFileAtomic(join(output, 'report.md'), summaryMarkdown([before, after], ['before', 'after']));
  return report;
}

function heading(number: number, text: string): void {
  log(`\n[${number}/6] ${text}`);
}

function assemble({ output, template, character, form }: RunPersonaOptions): readonly TeacherPrompt[] {
  const { prompts, joined } = assemblePrompts(
    readTemplate(template),
    character.persona,
    form,
    openingOf(character),
  );
  if (joined > 0) log(`${joined} prompts had line breaks, which became <ret>`);
  for (const name of ['prompts.txt', 'prompts.jsonl'])
    writeFileAtomic(join(output, name), promptsText(prompts, name));
  return prompts;
}

async function measure(
  options: RunPersonaOptions,
  stages: Stages,
  name: 'before' | 'after',
  path: string,
): Promise<MeasureSummary> {
  const { output, character } = options;
  const data = join(output, RUN_FOLDERS.data);
  const folder = join(output, RUN_FOLDERS[name]);
  const questions = readTestQuestions(join(data, TEST_FILE));
  const general = readGeneral(join(data, GENERAL_TEST_FILE));
  const [stage, done] = [
    hashOf([
      path,
      ...(name === 'after' ? [stages.get('train') ?? ''] : []),
      JSON.stringify([RULES_VERSION, character.persona.attributes, character.card, questions, options.talks]),
      JSON.stringify(general),
    ]),
    join(folder, MEASURE_FILE),
  ];
  if (stages.get(name) === stage && existsSync(done)) {
    log(`${done} is there: it was measured before`);
    return readSummary(done);
  }
  const isOther = stages.get(name) !== undefined && stages.get(name) !== stage;
  stages.set(name, stage);
  const model = await options.openModel(path);
  const judge = await options.openJudge(folder);
  try {
    const summary = await measurePersona({
      model,
      character,
      questions,
      general,
      talks: options.talks,
      judge,
      output: folder,
      overwrite: options.overwrite || isOther,
      command: options.command,
    });
    if (!summary.complete)
      throw new InputError(`${folder}: some questions could not be asked; the same command asks them again.`);
    return summary;
  } finally {
    judge?.dispose();
    model.dispose();
  }
}

function readGeneral(path: string): GeneralDialogue[] {
  if (!existsSync(path)) return [];
  return [...readJsonLines(path)].map(({ line, value }) => {
    const found = z
      .object({ messages: z.array(z.object({ role: z.string(), content: z.string() })) })
      .safeParse(value);
    if (!found.success) throw new InputError(`${path}:${line}: a line is {"messages": […]}.`);
    return found.data;
  });
}

/** Written by us just so. */
function readSummary(path: string): MeasureSummary {
  const value: unknown = readJsonFile(path);
  if (isSummary(value)) return value;
  throw new InputError(`${path} is not as persona measure writes it; remove it, and it is measured anew.`);
}

function isSummary(value: unknown): value is MeasureSummary {
  return z
    .object({ n: z.number(), usability: z.number(), break_rate: z.object({ share: z.number() }) })
    .safeParse(value).success;
}

async function trainStage(
  options: RunPersonaOptions,
  stages: Stages,
  folder: string,
  data: string,
): Promise<void> {
  const { model, lora, set, seed, threads, overwrite } = options;
  const stage = hashOf([
    model,
    readFileSync(join(data, TRAIN_FILE), 'utf8'),
    JSON.stringify([lora, set, seed]),
  ]);
  const earlier = stages.get('train');
  const isBegun = existsSync(join(folder, CONFIG_FILE));
  if (isBegun && earlier !== stage) {
    if (!overwrite)
      throw new InputError(
        `${folder} holds a training run of other data or settings; give another --output, or --overwrite to train anew.`,
      );
    rmSync(folder, { recursive: true });
  }
  stages.set('train', stage);
  const config = writeTrainConfig({ data, model, output: folder, lora, seed, threads });
  await options.train(config, set);
}

/** What each step was made of, so that a second run knows what is done. */
class Stages {
  readonly #path: string;
  readonly #done: Map<string, string>;

  constructor(output: string) {
    this.#path = join(output, 'stages.json');
    const known = existsSync(this.#path)
      ? z.record(z.string(), z.string()).safeParse(readJsonFile(this.#path)).data
      : undefined;
    this.#done = new Map(Object.entries(known ?? {}));
  }

  get(name: string): string | undefined {
    return this.#done.get(name);
  }

  set(name: string, hash: string): void {
    this.#done.set(name, hash);
    writeFileAtomic(this.#path, `${JSON.stringify(Object.fromEntries(this.#done), null, 1)}\n`);
  }
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
