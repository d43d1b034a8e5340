/** Tasks from YAML files: of the form of docs/own-tasks.md, or of lm-evaluation-harness. */
import { dirname, join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder } from '../../formats/index.js';
import type { Task } from '../task.js';
import { HarnessFile, isHarnessContent } from './harness/harness-file.js';
import { harnessGroup } from './harness/harness-group.js';
import { HarnessIndex } from './harness/harness-index.js';
import { FUNCTION_TAG } from './harness/harness-schema.js';
import { harnessTask } from './harness/harness-task.js';
import { ownTask } from './own-task.js';
import { TaskFile } from './task-file.js';

/** Does a word of `--task` name a file or folder? */
export function isTaskPath(name: string): boolean {
  return /\.ya?ml$/i.test(name) || /[/\\]/.test(name) || name === '.' || name === '..';
}

/**
 * The tasks of a YAML file, or of all below a folder.
 * @param data where their rows are looked for beside their own folder
 * @throws InputError naming file, line and key
 */
export function tasksOfPath(path: string, data: string | undefined): readonly Task[] {
  const status = fileStatus(path);
  if (status === undefined) throw new InputError(`--task ${path}: there is no such file or folder.`);
  if (!status.isDirectory()) return tasksOfFile(path, data);
  const files = yamlFilesBelow(path);
  if (files.length === 0) throw new InputError(`--task ${path}: the folder holds no YAML file.`);
  return tasksOfFolder(files, data);
}

/** The form is told by the keys: ours has a kind. */
function isHarnessFile(path: string): boolean {
  const { content } = TaskFile.read(path, '1.1', [FUNCTION_TAG]);
  return !Object.hasOwn(content, 'kind') && isHarnessContent(content);
}

function tasksOfFile(path: string, data: string | undefined): readonly Task[] {
  if (!isHarnessFile(path)) return [ownTask(TaskFile.read(path, '1.2'), data)];
  const file = HarnessFile.read(path);
  const { group, task } = file.content;
  if (typeof group !== 'string' || typeof task === 'string') return [harnessTask(file, data)];
  const others = yamlFilesBelow(dirname(path)).filter(isHarnessFile);
  return harnessGroup(file, new HarnessIndex(others.map((other) => HarnessFile.read(other))), data);
}

/** Groups that are in no other group, and tasks that are in no group. */
function tasksOfFolder(paths: readonly string[], data: string | undefined): readonly Task[] {
  const own = paths
    .filter((path) => !isHarnessFile(path))
    .map((path) => ownTask(TaskFile.read(path, '1.2'), data));
  const files = paths.filter(isHarnessFile).map((path) => HarnessFile.read(path));
  const index = new HarnessIndex(files);
  const inner = new Set<string>();
  for (const { content } of files)
    if (typeof content.group === 'string')
      for (const name of innerNames(content.task, index)) inner.add(name);
  const others = [...index.entries].flatMap(([name, entry]): readonly Task[] => {
    if (entry.kind === 'tag' || inner.has(name)) return [];
    return entry.kind === 'group' ? harnessGroup(entry.file, index, data) : [harnessTask(entry.file, data)];
  });
  return [...own, ...others];
}

/** Names within a group's list of tasks, and the tasks of tags among them. */
function innerNames(list: unknown, index: HarnessIndex): string[] {
  if (typeof list === 'string') {
    const entry = index.entries.get(list);
    return entry?.kind === 'tag' ? [list, ...entry.tasks] : [list];
  }
  if (Array.isArray(list)) return list.flatMap((each: unknown) => innerNames(each, index));
  if (typeof list !== 'object' || list === null) return [];
  return [Reflect.get(list, 'group'), Reflect.get(list, 'task')].flatMap((each: unknown) =>
    innerNames(each, index),
  );
}

/** In order of their paths. */
function yamlFilesBelow(folder: string): string[] {
  return listFolder(folder).flatMap((name): string[] => {
    if (name.startsWith('.') || name.startsWith('__')) return [];
    const path = join(folder, name);
    if (fileStatus(path)?.isDirectory() === true) return yamlFilesBelow(path);
    return /\.ya?ml$/i.test(name) ? [path] : [];
  });
}
