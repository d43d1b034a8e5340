/** `xinghe doctor`: versions, devices, measured speed, and what each optional part would need. */
import { totalmem } from 'node:os';
import { productVersion } from '../config/index.js';
import { log } from '../log/index.js';
import {
  cpuFeatures,
  deviceList,
  getThreads,
  type LinearRoute,
  linearRoute,
  measureGemm,
  measureReadBandwidth,
  nativeBuild,
  prepareRuntime,
  torchVersion,
} from '../tensor/index.js';
import { parseOptions } from './options.js';

const specs = {
  threads: { kind: 'integer', min: 1, help: 'CPU threads; default: all cores' },
  json: { kind: 'flag', help: 'print one JSON document on stdout' },
} as const;

export async function doctor(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    {
      command: 'xinghe doctor',
      summary: 'versions, devices, measured speed, and what each optional part would need',
      notes:
        'Read bandwidth is that of a sum over 512 MB of float32 values; matrix speed that of a linear layer on\n' +
        '[1024, 1024] matrices (2 x 1024^3 operations). Both are the best of several runs.',
    },
    specs,
    args,
  );
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  log('measuring …');
  const report = examine();
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : format(report));
  return 0;
}

interface Report {
  versions: { xinghe: string; node: string; libtorch: string; compiler: string | null };
  libtorch: { path: string | null; origin: string | null };
  cpu: { model: string; cores: number; capability: string; flags: readonly string[]; threads: number };
  memoryBytes: number;
  devices: { name: string; description: string }[];
  /** Parts that are not usable here, and what each would need. */
  absent: { name: string; description: string }[];
  /** Which products of a float32 linear layer oneDNN computes; the others take the BLAS of libtorch. */
  onednn: LinearRoute;
  measured: {
    readGigabytesPerSecond: number;
    gemmGflops: { float32Blas: number; float32Onednn: number; float32: number; bfloat16: number };
  };
}

function examine(): Report {
  const build = nativeBuild();
  const { devices, absent } = deviceList();
  return {
    versions: {
      xinghe: productVersion(),
      node: process.versions.node,
      libtorch: build?.libtorch.version ?? torchVersion(),
      compiler: build?.compiler.version ?? null,
    },
    libtorch: { path: build?.libtorch.path ?? null, origin: build?.libtorch.origin ?? null },
    cpu: { ...cpuFeatures(), threads: getThreads() },
    memoryBytes: totalmem(),
    devices,
    absent,
    onednn: linearRoute(),
    measured: {
      readGigabytesPerSecond: measureReadBandwidth(),
      gemmGflops: {
        float32Blas: measureGemm('float32', 'blas'),
        float32Onednn: measureGemm('float32', 'onednn'),
        float32: measureGemm('float32'),
        bfloat16: measureGemm('bfloat16'),
      },
    },
  };
}

function format({ versions, libtorch, cpu, memoryBytes, devices, absent, onednn, measured }: Report): string {
  const { gemmGflops } = measured;
  const library = (isOnednn: boolean): string => (isOnednn ? 'oneDNN' : 'BLAS');
  const rows: [string, string][] = [
    ['xinghe', versions.xinghe],
    ['node', versions.node],
    [
      'libtorch',
      `${versions.libtorch}${libtorch.path === null ? '' : ` (${libtorch.origin}: ${libtorch.path})`}`,
    ],
    ['compiler', versions.compiler ?? 'not recorded'],
    ['processor', `${cpu.model}, ${cpu.cores} cores, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB memory`],
    ['abilities', `libtorch takes ${cpu.capability}; ${cpu.flags.join(' ') || 'flags unknown'}`],
    ['threads', String(cpu.threads)],
    ...devices.map(({ name, description }): [string, string] => ['device', `${name}: ${description}`]),
    ['memory read', `${measured.readGigabytesPerSecond.toFixed(1)} GB/s`],
    [
      'float32',
      `${gemmGflops.float32.toFixed(0)} GFLOP/s (BLAS ${gemmGflops.float32Blas.toFixed(0)}, oneDNN ` +
        `${gemmGflops.float32Onednn.toFixed(0)}); chosen: forward ${library(onednn.forward)}, input gradient ` +
        `${library(onednn.gradInput)}, weight gradient ${library(onednn.gradWeight)}`,
    ],
    ['bfloat16', `${gemmGflops.bfloat16.toFixed(0)} GFLOP/s`],
    ...absent.map(({ name, description }): [string, string] => ['not usable', `${name}: ${description}`]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join('');
}
