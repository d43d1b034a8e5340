/** Where a result goes: a file that was named, or one in a folder, under subject, hardware and date. */
import { join } from 'node:path';
import { fileStatus, withLockedOutput, writeFileAtomic } from '../../formats/index.js';
import type { BenchmarkResult } from '../run-benchmark.js';
import { formatResult } from './format-result.js';

/** "decode_intel-xeon-2-cores-avx512_2026-12-01.md" */
export function resultFileName({ subject, machine, date }: BenchmarkResult): string {
  return `${subject}_${machine.hardware}_${date}.md`;
}

/** @param output a file, or a folder that is there or ends in a slash @returns the file */
export async function writeResult(result: BenchmarkResult, output: string): Promise<string> {
  const isFolder = /[\\/]$/.test(output) || fileStatus(output)?.isDirectory() === true;
  const file = isFolder ? join(output, resultFileName(result)) : output;
  await withLockedOutput(file, () => writeFileAtomic(file, formatResult(result)));
  return file;
}
