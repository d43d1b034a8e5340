/** The sandbox of this machine, where one works. */
import { spawnSync } from 'node:child_process';
import type { TestOptions } from 'vitest';
import { InputError } from '../../src/errors/index.js';
import { PythonSandbox } from '../../src/evaluation/index.js';
import { requires } from './requires.js';

export const hasPython = spawnSync('python3', ['--version']).status === 0;

/** undefined where there is no interpreter, or nothing that confines it. */
export function openSandbox(): PythonSandbox | undefined {
  if (!hasPython) return undefined;
  try {
    return new PythonSandbox();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

export function requiresSandbox(sandbox: PythonSandbox | undefined): TestOptions {
  return requires(
    sandbox !== undefined,
    hasPython ? 'neither bubblewrap nor user namespaces work here' : 'there is no python3',
  );
}
