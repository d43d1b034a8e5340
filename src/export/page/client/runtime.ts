/** As much of onnxruntime-web as the page uses; it is loaded from the exported folder, never from the network. */
import { RUNTIME_FOLDER, RUNTIME_MODULE, RUNTIME_VERSION, RUNTIME_WASM } from '../page-model.js';
import type { FileSource } from './file-source.js';

export interface RuntimeTensor {
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
  dispose(): void;
}

type TensorData = Float32Array | Uint16Array | BigInt64Array;

export interface Session {
  run(feeds: Readonly<Record<string, RuntimeTensor>>): Promise<Readonly<Record<string, RuntimeTensor>>>;
}

export interface Runtime {
  readonly env: { readonly wasm: { wasmBinary?: ArrayBuffer; numThreads?: number; wasmPaths?: unknown } };
  readonly Tensor: new (
    type: 'float32' | 'float16' | 'int64',
    data: TensorData,
    dims: readonly number[],
  ) => RuntimeTensor;
  readonly InferenceSession: {
    create(
      graph: ArrayBuffer,
      options: {
        readonly executionProviders: readonly string[];
        readonly externalData: readonly { readonly path: string; readonly data: ArrayBuffer }[];
      },
    ): Promise<Session>;
  };
}

/** Where the runtime is not in the folder. */
export class NoRuntime extends Error {}

export async function loadRuntime(files: FileSource): Promise<Runtime> {
  try {
    const wasm = await files.read(`${RUNTIME_FOLDER}/${RUNTIME_WASM}`);
    const runtime = (await import(
      /* @vite-ignore */ files.urlOf(`${RUNTIME_FOLDER}/${RUNTIME_MODULE}`)
    )) as Runtime;
    runtime.env.wasm.wasmBinary = wasm;
    // Threads share memory only where the server sends the headers of an isolated page.
    if (!globalThis.crossOriginIsolated) runtime.env.wasm.numThreads = 1;
    return runtime;
  } catch (error) {
    throw new NoRuntime(
      `onnxruntime-web is not in ${RUNTIME_FOLDER}/ (${error instanceof Error ? error.message : String(error)}). ` +
        `npm pack onnxruntime-web@${RUNTIME_VERSION}, unpack it, and copy ${RUNTIME_MODULE} and ${RUNTIME_WASM} from its dist/.`,
    );
  }
}
