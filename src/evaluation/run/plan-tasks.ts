/** The tasks of a command line with all that decides how each is asked. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { PromptForm } from '../model/language-model.js';
import { findTasks } from '../registry.js';
import type { ScoringMode, Task } from '../task.js';
import type { TaskPlan } from './evaluation-plan.js';
import type { Preset } from './presets.js';

export interface TaskWishes {
  /** Names with commas between; undefined: those of the preset. */
  readonly task: string | undefined;
  readonly preset: Preset | undefined;
  /** Undefined: every task brings its own. */
  readonly data: string | undefined;
  readonly shots: number | undefined;
  readonly isCot: boolean;
  readonly mode: ScoringMode | undefined;
  readonly form: PromptForm | undefined;
  /** What the model can take; undefined without one. */
  readonly forms: readonly PromptForm[] | undefined;
}

export interface PlannedTasks {
  readonly tasks: readonly TaskPlan[];
  /** What could not be done as asked, and why. */
  readonly notes: readonly string[];
}

/** @throws InputError for unknown tasks, and for options that no task of them takes */
export function planTasks(wishes: TaskWishes): PlannedTasks {
  const { tasks, notes } = chosenTasks(wishes);
  const { shots, isCot } = wishes;
  const names = tasks.map(({ name }) => name).join(', ');
  const without = tasks.filter(({ defaultShots }) => defaultShots === undefined).map(({ name }) => name);
  if (shots !== undefined && shots > 0 && without.length > 0) {
    if (without.length === tasks.length)
      throw new InputError(`--shots ${shots}: ${names} has no examples to show; leave it out.`);
    notes.push(`${without.join(', ')} without examples: the set has none`);
  }
  const straight = tasks.filter(({ takesCot }) => !takesCot).map(({ name }) => name);
  if (isCot && straight.length > 0) {
    if (straight.length === tasks.length)
      throw new InputError(`--cot: ${names} has no form that thinks first; leave it out.`);
    notes.push(`${straight.join(', ')} without --cot: the set has no such form`);
  }
  return { tasks: tasks.map((task) => planTask(task, wishes)), notes };
}

function chosenTasks({ task, preset, data }: TaskWishes): { tasks: Task[]; notes: string[] } {
  if (task !== undefined) {
    const names = [...new Set(task.split(',').map((name) => name.trim()))].filter((name) => name !== '');
    if (names.length === 0) throw new InputError('--task names no task.');
    const tasks = names.flatMap((name) => findTasks(name, data));
    refuseDoubles(tasks);
    return { tasks, notes: [] };
  }
  if (preset === undefined) throw new InputError('give --task NAME,… or --preset NAME.');
  const tasks = preset.tasks.flatMap((name) => findTasks(name, data));
  if (data === undefined)
    throw new InputError('--preset needs --data ROOT, which holds a folder for each set.');
  const there = tasks.filter(({ folder }) => fileStatus(join(data, folder)) !== undefined);
  if (there.length === 0)
    throw new InputError(`--data ${data} holds none of the sets of the preset: ${preset.tasks.join(', ')}.`);
  const absent = tasks.filter((each) => !there.includes(each)).map(({ name }) => name);
  return {
    tasks: there,
    notes: absent.length === 0 ? [] : [`left out, for ${data} has no folder of theirs: ${absent.join(', ')}`],
  };
}

function planTask(task: Task, wishes: TaskWishes): TaskPlan {
  const { preset, forms = ['plain'] } = wishes;
  const mode = modeOf(task, wishes.mode, preset?.mode);
  const ofPreset = preset?.shots[task.name];
  const usual = wishes.forms === undefined ? 0 : (ofPreset ?? task.defaultShots ?? 0);
  return {
    task,
    shots: task.defaultShots === undefined ? 0 : (wishes.shots ?? usual),
    isShotsWanted: wishes.shots !== undefined,
    isCot: task.takesCot && (wishes.isCot || task.isCotByDefault === true),
    mode,
    form: formOf(mode, wishes.form, preset?.form ?? task.defaultForm, forms),
    isSingleChoiceOnly: preset?.isSingleChoiceOnly === true,
  };
}

function modeOf(task: Task, wished: ScoringMode | undefined, ofPreset: ScoringMode | undefined): ScoringMode {
  const { name, modes = [task.defaultMode, wished ?? ofPreset ?? task.defaultMode] } = task;
  if (wished !== undefined && !modes.includes(wished))
    throw new InputError(
      `--mode ${wished}: ${name} can be asked by ${modes.join(' or ')} alone; leave it out.`,
    );
  return [wished, ofPreset].find((mode) => mode !== undefined && modes.includes(mode)) ?? task.defaultMode;
}

/** Names go with results and recorded outputs: each stands for one task. */
function refuseDoubles(tasks: readonly Task[]): void {
  const names = tasks.map(({ name }) => name);
  const double = names.find((name, place) => names.indexOf(name) !== place);
  if (double !== undefined)
    throw new InputError(
      `--task gives two tasks with the name "${double}"; rename one of them, or leave one out.`,
    );
}

/** Options are compared behind plain text, answers are written in the chat form where there is one. */
function formOf(
  mode: ScoringMode,
  wished: PromptForm | undefined,
  ofPreset: PromptForm | undefined,
  forms: readonly PromptForm[],
): PromptForm {
  if (wished !== undefined && !forms.includes(wished))
    throw new InputError(`--form ${wished}: this model can be asked in ${forms.join(' or ')} form alone.`);
  if (wished !== undefined) return wished;
  if (ofPreset !== undefined && forms.includes(ofPreset)) return ofPreset;
  return mode === 'generate' ? (forms[0] ?? 'plain') : 'plain';
}
