/** Tasks from YAML files: of the form of docs/own-tasks.md, or of lm-evaluation-harness. */
import { join } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus, listFolder } from '../../formats/index.js';
import type { Task } from '../task.js';
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
  if (!status.isDirectory()) return [ownTask(TaskFile.read(path, '1.2'), data)];
  const files = yamlFilesBelow(path);
  if (files.length === 0) throw new InputError(`--task ${path}: the folder holds no YAML file.`);
  return files.map((file) => ownTask(TaskFile.read(file, '1.2'), data));
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
