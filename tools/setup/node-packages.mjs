// npm packages, exactly as the lock file names them. What is installed is read from the record that npm itself
// leaves at the end of an installation, so an interrupted one is repeated.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readJson, root } from './paths.mjs';
import { SetupError, say, since } from './report.mjs';
import { findProgram, lastLines, runProgram } from './run-program.mjs';

const oldestNode = [20, 19];

export function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new SetupError(
    `Node ${process.versions.node} (${process.execPath}) is too old: ${oldestNode.join('.')} or newer is needed. ` +
      'Install it and run again.',
  );
}

export async function installPackages() {
  if (areInstalled()) return;
  const npm = findProgram('npm') ?? findProgram(join(dirname(process.execPath), 'npm'));
  if (npm === undefined)
    throw new SetupError(
      `npm was not found (looked on the PATH and beside ${process.execPath}). Install Node with npm.`,
    );
  say('installing the npm packages of package-lock.json');
  const start = performance.now();
  // --include=dev: the compiler is one of them, and NODE_ENV=production would leave it out.
  const result = await runProgram(npm, ['ci', '--include=dev', '--no-audit', '--no-fund'], { cwd: root });
  if (result.code !== 0)
    throw new SetupError(
      `\`npm ci\` failed in ${root}:\n${errorLines(result.output)}\n` +
        'Check that npm reaches its registry (`npm ping`) and run again.',
    );
  say(`installed in ${since(start)}`);
}

/** @param {string} output of npm, which names the cause first and ends with a page of usage @returns {string} */
function errorLines(output) {
  const lines = output.split('\n').filter((line) => /^npm error ./.test(line));
  return lines.length === 0 ? lastLines(output, 12) : lines.slice(0, 12).join('\n');
}

/** @returns {boolean} */
function areInstalled() {
  const locked = readJson(join(root, 'package-lock.json'))?.packages;
  const installed = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (locked === undefined || installed === undefined) return false;
  return Object.entries(locked).every(([path, { version, optional }]) => {
    if (path === '') return true;
    // Packages for other platforms are optional and rightly absent.
    if (installed[path] === undefined) return optional === true;
    return installed[path].version === version && existsSync(join(root, path));
  });
}
