// Finds a C++20 compiler: $CXX, else the first of g++, clang++, c++ that compiles a probe with concepts and <span>.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from './report.mjs';
import { findProgram, lastLines, runProgram } from './run-program.mjs';

const probe = `#include <concepts>
#include <span>
#include <string>
template <std::integral T> T last(std::span<const T> values) { return values.back(); }
int size(const std::string& text) { return last(std::span<const int>{}) + static_cast<int>(text.size()); }
`;

/**
 * @typedef {{ command: string, args: string[], version: string }} Compiler
 *   args: what $CXX held beside the program, as in CXX="ccache g++"
 */

/** @returns {Promise<Compiler>} */
export async function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++', 'c++'];
  const tried = [];
  for (const name of names) {
    const [program = '', ...args] = name.trim().split(/\s+/);
    const command = findProgram(program);
    if (command === undefined) {
      tried.push(`${name}: not found`);
      continue;
    }
    const asked = await runProgram(command, [...args, '--version']);
    const version = asked.stdout.split('\n')[0]?.trim() ?? '';
    const fault = await compileProbe(command, args);
    if (fault === undefined) return { command, args, version };
    tried.push(`${command} (${version || 'no version'}): does not compile C++20\n    ${fault}`);
  }
  throw new SetupError(
    `no C++20 compiler was found${process.env.CXX ? ' ($CXX is set, nothing else is tried)' : ' on the PATH'}:\n` +
      `${tried.map((line) => `  ${line}`).join('\n')}\n` +
      (process.platform === 'darwin'
        ? 'Install one with `xcode-select --install`, or set CXX to a compiler.'
        : 'Install one (Debian, Ubuntu: `apt install g++`; Fedora: `dnf install gcc-c++`; GCC 11 or Clang 14 and\n' +
          'newer are new enough), or set CXX to a compiler.'),
  );
}

/** @param {string} command @param {string[]} args @returns {Promise<string | undefined>} the fault, if any */
async function compileProbe(command, args) {
  const folder = mkdtempSync(join(tmpdir(), 'xinghe-probe-'));
  try {
    writeFileSync(join(folder, 'probe.cpp'), probe);
    const result = await runProgram(command, [...args, '-std=c++20', '-c', 'probe.cpp', '-o', 'probe.o'], {
      cwd: folder,
    });
    return result.code === 0 ? undefined : lastLines(result.output, 3).replaceAll('\n', '\n    ');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
