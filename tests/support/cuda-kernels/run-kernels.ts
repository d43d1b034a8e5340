/** The kernels of native/cuda/ on the CPU, one block after the other (run-kernels.cpp). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { byteWidth, type DType, type Tensor, tensorFromBytes } from '../../../src/tensor/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface KernelRun {
  readonly kernel: string;
  readonly dtype: DType;
  /** Of pages or scales. Default: dtype. */
  readonly other?: DType;
  readonly numbers: readonly number[];
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
}

export class EmulatedKernels {
  readonly #folder = mkdtempSync(join(tmpdir(), 'xinghe-kernels-'));

  /** Compiles them: some seconds. */
  constructor() {
    const source = join(root, 'tests/support/cuda-kernels/run-kernels.cpp');
    const options = ['-std=c++20', '-O1', `-I${join(root, 'native')}`, '-o', this.#program, source];
    execFileSync(process.env.CXX ?? 'g++', options);
  }

  get #program(): string {
    return join(this.#folder, 'run-kernels');
  }

  run({ kernel, dtype, other = dtype, numbers, inputs, outputs }: KernelRun): Tensor[] {
    const input = Buffer.concat(inputs.flatMap((tensor) => (tensor === undefined ? [] : [tensor.toBytes()])));
    const words = [kernel, dtype, other, ...numbers.map(String)];
    const output = execFileSync(this.#program, words, { input, maxBuffer: 1 << 28 });
    let start = 0;
    const tensors = outputs.map((result) => {
      const end = start + byteWidth(result.dtype) * result.shape.reduce((product, size) => product * size, 1);
      const bytes = Uint8Array.from(output.subarray(start, end));
      start = end;
      return tensorFromBytes(bytes, result.shape, result.dtype);
    });
    if (start !== output.length) throw new Error(`${kernel} gave ${output.length} bytes instead of ${start}`);
    return tensors;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
