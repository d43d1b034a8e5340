// Runs other programs with their output captured, and ends them when the set-up is interrupted.
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Interrupted } from './report.mjs';

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
let interrupted = false;

/** Ends every program still running; those waited for throw `Interrupted`. */
export function stopPrograms() {
  interrupted = true;
  for (const child of running) child.kill('SIGTERM');
}

/**
 * @param {string} program a path or a name on the PATH
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<{ code: number, stdout: string, output: string }>} output: stdout and stderr as they came.
 *   A program that cannot be started has code 127 and the reason as its output.
 */
export function runProgram(program, args, options = {}) {
  return new Promise((resolve, reject) => {
    if (interrupted) return reject(new Interrupted());
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
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
      running.delete(child);
      resolve({ code: 127, stdout: '', output: error.message });
    });
    child.on('close', (code) => {
      running.delete(child);
      if (interrupted) reject(new Interrupted());
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
