/** Tasks from YAML files: of the form of docs/own-tasks.md, or of lm-evaluation-harness. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder } from '../../formats/index.js';
import type { Task } from '../task.js';
import { HarnessFile, isHarnessContent } from './harness/harness-file.js';
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
  if (!status.isDirectory()) return [taskOfFile(path, data)];
  const files = yamlFilesBelow(path);
  if (files.length === 0) throw new InputError(`--task ${path}: the folder holds no YAML file.`);
  return files.map((file) => taskOfFile(file, data));
}

/** The form is told by the keys: ours has a kind. */
function taskOfFile(path: string, data: string | undefined): Task {
  const { content } = TaskFile.read(path, '1.1', [FUNCTION_TAG]);
  if (!Object.hasOwn(content, 'kind') && isHarnessContent(content))
    return harnessTask(HarnessFile.read(path), data);
  return ownTask(TaskFile.read(path, '1.2'), data);
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
