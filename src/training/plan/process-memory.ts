/** Memory of the process beside its tensors, and its peak. */
import { readFileSync } from 'node:fs';
import { formatBytes } from '../../log/index.js';

/**
 * What a process that trains holds beyond its tensors and beyond what it held when the engine was started: the pages
 * of libtorch's code that its kernels touch (65 MiB), JavaScript's heap and what oneDNN and the BLAS keep to
 * themselves (70 MiB): 131 to 142 MiB in ten runs of the four families with rows of one length, from 0.5 to 1.4 GiB of
 * tensors, on libtorch 2.13 for x64 with 2 threads.
 */
export const RUNTIME_BYTES = 135 * 2 ** 20;

/**
 * What oneDNN and libtorch keep of the shapes of rows that have lengths of their own (src/tensor/native.ts bounds it), beside
 * RUNTIME_BYTES: 31 to 53 MiB in six runs of three families and 40 steps, 0 to 25 MiB in 25 steps of one sequence, so that no
 * figure between them is right for all; this one stays within 5 % of all of them.
 */
export const VARYING_ROWS_BYTES = 28 * 2 ** 20;

/**
 * What a process that generates holds beyond its tensors, cache and step: 54 MiB of libtorch's code, what it registers when it is loaded
 * (49 to 61 MiB), JavaScript's garbage, and holes that the allocator leaves behind a prompt. 103 to 163 MiB in 52 runs of 27M to 170M
 * parameters in float32 and integers, up to 42 MiB apart with one model, on libtorch 2.13 for x64 with 2 threads.
 */
export const GENERATION_BYTES = 132 * 2 ** 20;

/** What a rank holds beside a process on its own: c10d with its threads, and buffers of Gloo. */
export const RANK_BYTES = 16 * 2 ** 20;

/** The same of a stage, which sends and receives and has no such buffers: 0 to 4 MiB with two and four stages. */
export const STAGE_BYTES = 2 * 2 ** 20;

/** Resident memory of the process now, bytes. Taken after prepareRuntime(), it is what RUNTIME_BYTES counts from. */
export function residentBytes(): number {
  return process.memoryUsage.rss();
}

/** The highest resident memory that the process ever had, bytes. */
export function peakResidentBytes(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Memory that a new process could have, bytes: what is free or can be freed, within the limits of a container. */
export function availableBytes(): number {
  const limit = process.constrainedMemory();
  const free = memAvailable() ?? process.availableMemory();
  return limit > 0 && limit < 2 ** 53 ? Math.min(free, limit) : free;
}

function memAvailable(): number | undefined {
  try {
    const found = /^MemAvailable:\s*(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found) * 1024;
  } catch {
    return undefined;
  }
}

/** One line for the end of a run: what was planned, what came. */
export function comparePeak(planned: number, measured: number): string {
  const difference = (100 * (measured - planned)) / planned;
  const sign = difference >= 0 ? '+' : '';
  return `peak memory: planned ${formatBytes(planned)}, measured ${formatBytes(measured)} (${sign}${difference.toFixed(1)} %)`;
}
