/** Where a result goes: a file that was named, or a new one in a folder, under subject, hardware and date. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileStatus, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import type { BenchmarkResult } from '../run-benchmark.js';
import { formatResult } from './format-result.js';

/** "decode-against-llama.cpp_intel-xeon-2-cores-avx512_2026-12-01": no ending yet. */
function resultName({ subject, sides, machine, date }: BenchmarkResult): string {
  const against = sides.peer === undefined ? '' : `-against-${sides.peer.toLowerCase()}`;
  return `${subject}${against}_${machine.hardware}_${date}`;
}

/**
 * @param output a file, which is exchanged; or a folder that is there or ends in a slash, in which no earlier result is exchanged
 * @returns the file
 */
export async function writeResult(result: BenchmarkResult, output: string): Promise<string> {
  const isFolder = /[\\/]$/.test(output) || fileStatus(output)?.isDirectory() === true;
  const file = isFolder ? freeName(output, resultName(result)) : output;
  await withLockedOutput(file, () => writeFileAtomic(file, formatResult(result)));
  return file;
}

/** Results of one day differ by their options: none takes the place of another. */
function freeName(folder: string, name: string): string {
  for (let number = 1; ; number++) {
    const file = join(folder, `${name}${number === 1 ? '' : `_${number}`}.md`);
    if (!existsSync(file)) return file;
  }
}
