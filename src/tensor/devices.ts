/** What there is to compute on: threads, the CPU's abilities, accelerators and how one is chosen. */
import { existsSync, readFileSync } from 'node:fs';
import { arch, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError, messageOf } from '../errors/index.js';
import { native } from './native.js';
import { nativeBuild } from './runtime.js';

/** Threads of one operator on the CPU; holds for this thread of JavaScript. */
export function setThreads(count: number): void {
  native().setThreads(count);
}

export function getThreads(): number {
  return native().getThreads();
}

/**
 * From now on freed tensors leave their memory with the process, for the next ones; holds for the process as long as any of
 * its threads wishes so, and ends with the thread. For loops that allocate the same again and again, as training does. The process then holds no more than what tensors took
 * at the fullest moment so far. Does nothing where the system is not Linux.
 */
export function keepFreedMemory(): void {
  native().keepFreedMemory();
}

/** Ends `keepFreedMemory`, and gives back what is free. */
export function returnFreedMemory(): void {
  native().returnFreedMemory();
}

export interface CpuFeatures {
  /** The name that the processor gives itself. */
  readonly model: string;
  readonly cores: number;
  /** The instruction set that libtorch's own kernels take: "AVX2", "AVX512", "DEFAULT", … */
  readonly capability: string;
  /** Those of the processor's abilities that matrix products profit from. */
  readonly flags: readonly string[];
}

const usefulFlags =
  /^(avx|f16c|fma|avx2|avx512(f|bw|_bf16|_fp16|_vnni)|avx_vnni|avx_ne_convert|amx_(tile|bf16|int8|fp16)|asimd|asimdhp|asimddp|bf16|i8mm|sve|sve2|svebf16)$/;

/** `CpuFeatures.capability` by itself. */
export function cpuCapability(): string {
  return native().cpuCapability();
}

export function cpuFeatures(): CpuFeatures {
  const all = cpus();
  return {
    model: all[0]?.model.trim() ?? arch(),
    cores: all.length,
    capability: native().cpuCapability(),
    flags: processorFlags().filter((flag) => usefulFlags.test(flag)),
  };
}

/** oneDNN multiplies bfloat16 without instructions for it, through wider copies. Not where the flags are unknown. */
export function emulatesBfloat16(): boolean {
  const flags = processorFlags();
  return flags.length > 0 && !flags.some((flag) => /^(?:avx512_bf16|amx_bf16|bf16)$/.test(flag));
}

/** Intel's AMX. False where the flags are unknown. */
export function hasBfloat16Tiles(): boolean {
  return processorFlags().includes('amx_bf16');
}

/** Known on Linux only; empty elsewhere. */
function processorFlags(): string[] {
  try {
    const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return line?.[1]?.split(' ') ?? [];
  } catch {
    return [];
  }
}

export interface Device {
  /** As `selectDevice` takes it: "cpu", "cuda:0". */
  readonly name: string;
  readonly description: string;
}

/** Every device that can be selected here, and for each kind that cannot the reason why. */
export function deviceList(): { devices: Device[]; absent: Device[] } {
  const { model, cores, capability } = cpuFeatures();
  const devices = [{ name: 'cpu', description: `${model}, ${cores} cores, ${capability}` }];
  try {
    const count = loadCuda();
    for (let i = 0; i < count; i++) {
      const reason = native().whyNoKernels(`cuda:${i}`);
      const kernels = reason === '' ? 'with our kernels' : `without our kernels: ${reason}`;
      devices.push({ name: `cuda:${i}`, description: `CUDA device, ${kernels}` });
    }
    const absent =
      count === 0 ? [{ name: 'cuda', description: 'no CUDA device or no driver was found' }] : [];
    return { devices, absent };
  } catch (error) {
    return { devices, absent: [{ name: 'cuda', description: messageOf(error) }] };
  }
}

/**
 * The full name of a device ("cuda" is "cuda:0"), after loading what it needs.
 * @param name "cpu", "cuda", "cuda:1"
 * @throws InputError if there is no such device, or libtorch cannot drive it
 */
export function selectDevice(name: string): string {
  if (name === 'cpu') return name;
  const index = /^cuda(?::(\d{1,3}))?$/.exec(name);
  if (index === null)
    throw new InputError(`device "${name}" is not known; known are cpu, cuda and cuda:<number>`);
  const count = loadCuda();
  const wanted = Number(index[1] ?? 0);
  if (wanted >= count)
    throw new InputError(
      `there is no device ${name}: ${count} CUDA ${count === 1 ? 'device was' : 'devices were'} found` +
        `${count === 0 ? ' (is the driver installed, and CUDA_VISIBLE_DEVICES not empty?)' : ''}; take ` +
        `${count === 0 ? 'cpu' : `cuda:0${count > 1 ? ` to cuda:${count - 1}` : ''} or cpu`}`,
    );
  return `cuda:${wanted}`;
}

let cudaLoaded = false;

/** @returns the number of CUDA devices */
function loadCuda(): number {
  const build = nativeBuild();
  if (build === undefined) throw new InputError('CUDA needs build/build.json; run `npm run setup`');
  const { path, version } = build.libtorch;
  const library = (stem: string): string => join(path, 'lib', `lib${stem}.so`);
  if (!existsSync(library('torch_cuda')))
    throw new InputError(
      `this libtorch (${version}, ${path}) has no CUDA: it holds no lib/libtorch_cuda.so. Set LIBTORCH to one ` +
        'with CUDA (a torch that pip installed together with its nvidia packages) and run `npm run setup`',
    );
  if (!cudaLoaded) {
    try {
      for (const stem of ['c10_cuda', 'torch_cuda']) native().loadLibrary(library(stem));
    } catch (error) {
      throw new InputError(`this libtorch has CUDA, but its libraries do not load: ${messageOf(error)}`);
    }
    // Where the set-up found nvcc; else operators run as they are composed of libtorch's.
    const kernels = fileURLToPath(new URL('../../build/kernels.fatbin', import.meta.url));
    if (existsSync(kernels) && process.env.XINGHE_KERNELS !== 'off') native().setKernels(kernels);
    cudaLoaded = true;
  }
  return native().cudaDeviceCount();
}
