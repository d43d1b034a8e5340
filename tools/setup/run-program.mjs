// Runs other programs with their output captured, and ends them when the set-up is interrupted.
import { spawn } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Aborted when the user stops the set-up; everything that may take long listens to its signal. */
export const interruption = new AbortController();
// One listener for each program that runs, as many as there are cores.
setMaxListeners(0, interruption.signal);

/**
 * @param {string} program a path or a name on the PATH
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ code: number, stdout: string, output: string }>} output: stdout and stderr as they came.
 *   A program that cannot be started has code 127 and the reason as its output.
 */
export function runProgram(program, args, options = {}) {
  const { signal } = interruption;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const child = spawn(program, args, { ...options, signal, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    child.on('error', (error) => {
      // When interrupted, wait for the end: only then is what it was writing whole or removable.
      if (!signal.aborted) resolve({ code: 127, stdout: '', output: error.message });
    });
    child.on('close', (code) => {
      if (signal.aborted) reject(signal.reason);
      else resolve({ code: code ?? 1, stdout, output });
    });
  });
}

/** @param {string} program a name, or a path that is taken as it is @returns {string | undefined} its path */
export function findProgram(program) {
  const paths = program.includes('/')
    ? [program]
    : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

/** @param {string} output @param {number} count @returns {string} the last lines of a program's output */
export function lastLines(output, count) {
  return output.trimEnd().split('\n').slice(-count).join('\n');
}
