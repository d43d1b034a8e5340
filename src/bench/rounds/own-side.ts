/** Our own side: a task of this folder in a process of its own (measure-entry.ts), compiled. */
import { fileURLToPath } from 'node:url';
import { compiledModule } from '../../workers/index.js';
import type { TaskName } from '../measure-entry.js';
import type { Side } from './side.js';

/** @param settings plain data; it crosses to the process as JSON */
export function ownSide(task: TaskName, settings: object, rest: Partial<Side> = {}): Side {
  const entry = fileURLToPath(compiledModule(new URL('../measure-entry.js', import.meta.url)));
  return {
    name: 'xinghe',
    command: process.execPath,
    args: [entry, task, JSON.stringify(settings)],
    ...rest,
  };
}

/** The command line as people start it. @param args behind `xinghe` */
export function commandSide(args: readonly string[], rest: Partial<Side> = {}): Side {
  const program = fileURLToPath(new URL('../../../bin/xinghe', import.meta.url));
  return { name: 'xinghe', command: process.execPath, args: [program, ...args], ...rest };
}
