/**
 * The typed face of the native addon (native/, built to build/xinghe.node by the set-up). Private to this folder.
 * The addon is loaded by the first call, not by the import.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { InputError, messageOf } from '../errors/index.js';

/** What an argument may be on the native side: handles and plain values. */
export type NativeValue = number | bigint | boolean | string | null | undefined | readonly NativeValue[];

/** One resolved operator. */
export interface NativeOperator {
  readonly id: number;
  /** Index of the argument that an in-place operator hands back; -1 for none. */
  readonly returned: number;
  /** A letter for each result: T tensor, L list of tensors, V any other value. */
  readonly results: string;
}

/** A store of c10d, freed with its JavaScript value. */
export interface NativeStore {
  readonly __store: never;
}

/** A process group of c10d, freed with its JavaScript value. */
export interface NativeGroup {
  readonly __group: never;
}

/** A tensor on its way to or from another process. */
export interface NativeTransfer {
  readonly __transfer: never;
}

export interface Native {
  resolveOperator(name: string, overload: string): NativeOperator;
  call(id: number, ...values: NativeValue[]): NativeValue;
  listOperators(): string[];
  empty(): void;

  release(handles: Int32Array, count: number): void;
  releaseOne(handle: number): void;
  liveCount(): number;
  shape(handle: number): number[];
  strides(handle: number): number[];
  dtype(handle: number): string;
  device(handle: number): string;
  storageAddress(handle: number): number;
  resizeStorage(handle: number, bytes: number): void;
  fromBytes(bytes: NodeJS.TypedArray, shape: readonly number[], dtype: string): number;
  toBytes(handle: number): ArrayBuffer;

  setGradEnabled(enabled: boolean): boolean;
  isGradEnabled(): boolean;
  setRequiresGrad(handle: number, requires: boolean): void;
  requiresGrad(handle: number): boolean;
  getGrad(handle: number): number | null;
  setGrad(handle: number, grad: number | null): void;
  backward(outputs: number[], gradOutputs: number[] | null, retainGraph: boolean): void;
  grad(
    outputs: number[],
    inputs: number[],
    gradOutputs: number[] | null,
    retainGraph: boolean,
    createGraph: boolean,
  ): (number | null)[];

  createGenerator(device: string, seed: number): number;
  releaseGenerator(handle: number): void;
  getGeneratorState(handle: number): number;
  setGeneratorState(handle: number, state: number): void;

  mapFile(path: string): number;
  unmapFile(handle: number): void;
  tensorInFile(file: number, offset: number, shape: readonly number[], dtype: string): number;

  setThreads(count: number): void;
  getThreads(): number;
  cpuCapability(): string;
  /** GFLOP/s of multiply-adds on registers alone, of all threads; 0 where the processor has none of the kind. */
  registerPeak(bfloat16: boolean): number;
  torchVersion(): string;
  describeLibraries(): string;
  loadLibrary(path: string): void;
  cudaDeviceCount(): number;
  /** The compiled kernels for CUDA devices (build/kernels.fatbin). */
  setKernels(path: string): void;
  /** Why a device runs none of them; empty where it does. */
  whyNoKernels(device: string): string;
  /** true where oneDNN multiplies the float32 matrices of xinghe::linear; holds for this thread. */
  setLinearRoutes(forward: boolean, gradInput: boolean, gradWeight: boolean): void;
  linearRoutes(): [forward: boolean, gradInput: boolean, gradWeight: boolean];
  /**
   * Whether xinghe::linear without a graph takes the batch-invariant kernels; holds for the whole process.
   * @param instructions what they may use at most: plain, avx2, avx512 or avx512bf16; empty for all there is
   */
  setInvariantLinear(on: boolean, instructions: string): void;
  isInvariantLinear(): boolean;
  setDeterministic(deterministic: boolean): void;
  keepFreedMemory(): void;
  returnFreedMemory(): void;

  createStore(host: string, port: number, size: number, isServer: boolean, timeout: number): NativeStore;
  storeSet(store: NativeStore, key: string, value: string): void;
  storeGet(store: NativeStore, key: string, timeout: number): string;
  createGlooGroup(name: string, store: NativeStore, rank: number, size: number, timeout: number): NativeGroup;
  removeGroup(name: string): void;
  sendTensor(group: string, tensor: number, rank: number, tag: number): NativeTransfer;
  receiveTensor(group: string, tensor: number, rank: number, tag: number): NativeTransfer;
  waitTransfer(transfer: NativeTransfer): void;
}

const KEPT_SHAPES = '32';

let loaded: Native | undefined;
let afterLoading: (() => void) | undefined;

/** The addon. @throws InputError if it has not been built */
export function native(): Native {
  return loaded ?? load();
}

/** Runs `action` once the addon is loaded: now, or at the first use; a later action replaces a waiting one. */
export function whenLoaded(action: () => void): void {
  if (loaded !== undefined) action();
  else afterLoading = action;
}

/**
 * libgomp, which libtorch brings, lets a waiting thread spin for milliseconds; two programs on one machine then slow each
 * other down tenfold. A few microseconds cost 2 to 4 % on a quiet machine (docs/log.md). Read when libgomp loads.
 */
function shareProcessor(): void {
  if (process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT ??= '1000';
}

/**
 * oneDNN keeps what it has compiled for a shape, and libtorch beside it how a shape is multiplied: 0.7 MB together, for
 * the last 1024 shapes each. Rows of ever new lengths would fill that for nothing. A step has 8 shapes (float32) to 18
 * (bfloat16), whatever its number of layers, and only within a step do they come again. Read at the first product.
 */
function forgetOldShapes(): void {
  if (process.env.DNNL_PRIMITIVE_CACHE_CAPACITY === undefined)
    process.env.ONEDNN_PRIMITIVE_CACHE_CAPACITY ??= KEPT_SHAPES;
  process.env.LRU_CACHE_CAPACITY ??= KEPT_SHAPES;
}

function load(): Native {
  // The variable lets a build with sanitizers be tested (docs/development.md).
  const path = process.env.XINGHE_ADDON ?? fileURLToPath(new URL('../../build/xinghe.node', import.meta.url));
  shareProcessor();
  forgetOldShapes();
  let addon: Native;
  try {
    addon = createRequire(import.meta.url)(path);
  } catch (error) {
    throw new InputError(
      `the native addon ${path} cannot be loaded; build it with \`npx xinghe setup\`, in a checkout with ` +
        `\`npm run setup\` (${messageOf(error)})`,
    );
  }
  loaded = addon;
  const action = afterLoading;
  afterLoading = undefined;
  action?.();
  return addon;
}
