/** What this machine is, and what it can do at most, measured: the limits that results are held against. */
import {
  cpuFeatures,
  emulatesBfloat16,
  getThreads,
  measureCopyBandwidth,
  measureGemm,
  measureReadBandwidth,
  measureRegisterPeak,
  prepareRuntime,
  torchVersion,
} from '../../tensor/index.js';

/** GB (10^9 bytes) and GFLOP (10^9 operations; a multiply-add is two) a second, of all threads together. */
export interface MachinePeaks {
  readonly readBandwidth: number;
  /** Bytes read and bytes written together. */
  readonly copyBandwidth: number;
  /** Of products of [1024, 1024] matrices, by the faster of libtorch's libraries. */
  readonly float32Products: number;
  readonly bfloat16Products: number;
  /** Multiply-adds that touch registers only; undefined where the processor has no instruction for them that is measured. */
  readonly float32Registers?: number | undefined;
  readonly bfloat16Registers?: number | undefined;
}

export interface MachineProbe extends MachinePeaks {
  readonly capability: string;
  /** The processor multiplies no bfloat16: such products are float32 ones, after a conversion. */
  readonly emulatesBfloat16: boolean;
  readonly threads: number;
  readonly libtorch: string;
}

export interface ProbeSettings {
  readonly threads?: number | undefined;
}

/** Takes about two seconds. */
export function probeMachine({ threads }: ProbeSettings): MachineProbe {
  prepareRuntime(threads === undefined ? {} : { threads });
  return {
    readBandwidth: measureReadBandwidth(),
    copyBandwidth: measureCopyBandwidth(),
    float32Products: Math.max(measureGemm('float32', 'blas'), measureGemm('float32', 'onednn')),
    bfloat16Products: measureGemm('bfloat16'),
    float32Registers: measureRegisterPeak('float32'),
    bfloat16Registers: measureRegisterPeak('bfloat16'),
    capability: cpuFeatures().capability,
    emulatesBfloat16: emulatesBfloat16(),
    threads: getThreads(),
    libtorch: torchVersion(),
  };
}

/** The better of two measurements: a limit is what was reached once. */
export function betterPeaks(a: MachinePeaks, b: MachinePeaks): MachinePeaks {
  return {
    readBandwidth: Math.max(a.readBandwidth, b.readBandwidth),
    copyBandwidth: Math.max(a.copyBandwidth, b.copyBandwidth),
    float32Products: Math.max(a.float32Products, b.float32Products),
    bfloat16Products: Math.max(a.bfloat16Products, b.bfloat16Products),
    float32Registers: greater(a.float32Registers, b.float32Registers),
    bfloat16Registers: greater(a.bfloat16Registers, b.bfloat16Registers),
  };
}

function greater(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : Math.max(a, b ?? a);
}
