/** The evaluation sets, one line each. */
import { didYouMeanHint } from '../config/index.js';
import { InputError } from '../errors/index.js';
import type { Task } from './task.js';
import { agieval } from './tasks/agieval/agieval.js';
import { arcChallenge, arcEasy } from './tasks/arc/arc.js';
import { bbh } from './tasks/bbh/bbh.js';
import { ceval } from './tasks/ceval/ceval.js';
import { cmmlu } from './tasks/cmmlu/cmmlu.js';
import { dialogue } from './tasks/dialogue/dialogue.js';
import { financeiq } from './tasks/financeiq/financeiq.js';
import { gaokaoBench } from './tasks/gaokao-bench/gaokao-bench.js';
import { gaokaoEnglish } from './tasks/gaokao-english/gaokao-english.js';
import { gsm8k } from './tasks/gsm8k/gsm8k.js';
import { hellaswag } from './tasks/hellaswag/hellaswag.js';
import { humaneval } from './tasks/humaneval/humaneval.js';
import { math } from './tasks/math/math.js';
import { mmlu } from './tasks/mmlu/mmlu.js';
import { isTaskPath, tasksOfPath } from './yaml-tasks/task-path.js';

export const TASKS: readonly Task[] = [
  ceval,
  mmlu,
  cmmlu,
  agieval,
  arcEasy,
  arcChallenge,
  gaokaoBench,
  gaokaoEnglish,
  financeiq,
  gsm8k,
  math,
  humaneval,
  bbh,
  hellaswag,
  dialogue,
];

/**
 * The task of a name, or those of a YAML file or of a folder of such files.
 * @param data where these may keep their rows; sets of the registry that bring none need it
 * @throws InputError that lists what there is
 */
export function findTasks(name: string, data: string | undefined): readonly Task[] {
  if (isTaskPath(name)) return tasksOfPath(name, data);
  const task = findTask(name);
  if (data !== undefined || task.root !== undefined) return [task];
  throw new InputError(`${name}: give --data ROOT, which holds a folder for each set (${task.folder}/, …).`);
}

function findTask(name: string): Task {
  const names = TASKS.map((task) => task.name);
  const task = TASKS[names.indexOf(name)];
  if (task !== undefined) return task;
  throw new InputError(
    `there is no task "${name}".${didYouMeanHint(name, names)} There are ${names.join(', ')}, and YAML files of your own ` +
      '(a path that ends in .yaml, or a folder: ./my-tasks).',
  );
}
