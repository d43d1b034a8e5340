/** Recorded outputs of another model: lines of {"task", "id", "output"}. */

import { InputError } from '../../errors/index.js';
import { readJsonLines, sha256OfFile } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';
import { Problems } from '../problems.js';
import type { Task } from '../task.js';

export interface Predictions {
  readonly path: string;
  readonly sha256: string;
  /** Outputs by task and id, in the order of their lines. */
  readonly outputs: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;
  readonly problems: ReadonlyMap<string, Problems>;
}

/**
 * @param tasks those that are measured; lines of others are counted and not used
 * @throws InputError for a file that cannot be read, no line at all for a task, and two different outputs of one sample where
 *   one alone counts
 */
export function readPredictions(path: string, tasks: readonly Task[]): Predictions {
  const outputs = new Map(tasks.map(({ name }): [string, Map<string, string[]>] => [name, new Map()]));
  const problems = new Map(tasks.map(({ name }): [string, Problems] => [name, new Problems()]));
  const others = new Map<string, number>();
  for (const { line, value } of readJsonLines(path)) {
    const { task, id, outputs: given } = readLine(value, `${path}:${line}`, tasks);
    const measured = tasks.find(({ name }) => name === task);
    const own = outputs.get(task);
    if (measured === undefined || own === undefined) {
      others.set(task, (others.get(task) ?? 0) + 1);
      continue;
    }
    // A sample without an output is missing.
    if (given.length === 0) {
      problems.get(task)?.add('no output', id, `${path}:${line}: the output of ${id} is null.`);
      continue;
    }
    const known = own.get(id);
    const [output = ''] = given;
    if (known === undefined) own.set(id, [...given]);
    else if (measured.allowsSeveralOutputs === true) known.push(...given);
    else if (known.includes(output))
      problems.get(task)?.add('duplicate id', id, `${path}:${line}: the same output of ${id} once more.`);
    else
      throw new InputError(
        `${path}:${line}: a second output of ${task} ${id}, other than the first; ${task} takes one a sample: keep one of them.`,
      );
  }
  for (const [task, own] of outputs) {
    if (own.size > 0) continue;
    const empty = problems.get(task)?.total ?? 0;
    if (empty > 0)
      throw new InputError(
        `${path}: none of its ${empty} lines for ${task} has an output: they are of options that were compared, or of samples ` +
          'that were not answered.',
      );
    throw new InputError(
      `${path}: no line for the task ${task}; it has ` +
        `${[...others].map(([name, count]) => `${count} for ${name}`).join(', ') || [...outputs].map(([name, { size }]) => `${size} for ${name}`).join(', ')}.`,
    );
  }
  return { path, sha256: sha256OfFile(path), outputs, problems };
}

interface PredictionLine {
  readonly task: string;
  readonly id: string;
  readonly outputs: readonly string[];
}

function readLine(value: unknown, source: string, tasks: readonly Task[]): PredictionLine {
  const [only] = tasks;
  const task = fieldOf(value, 'task') ?? (tasks.length === 1 ? only?.name : undefined);
  const id = fieldOf(value, 'id');
  const output = fieldOf(value, 'output');
  if (typeof task === 'string' && typeof id === 'string') {
    if (typeof output === 'string') return { task, id, outputs: [output] };
    const takesSeveral = tasks.some(
      ({ name, isJudged, allowsSeveralOutputs }) =>
        name === task && (isJudged === true || allowsSeveralOutputs === true),
    );
    if (takesSeveral && isTexts(output)) return { task, id, outputs: output };
    // A line of samples.jsonl of a sample that was not answered.
    if (output === null) return { task, id, outputs: [] };
  }
  throw new InputError(
    `${source}: a recorded output is {"task": "gsm8k", "id": "test/0", "output": "…"}, found ${JSON.stringify(value)?.slice(0, 200)}.`,
  );
}

/** The answers to the turns of a dialogue, or several programs. */
function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
}
