/** `xinghe plan`: memory and time of a run, or of generation, before it is started. */
import { log } from '../../log/index.js';
import { emulatesBfloat16, linearRoute, measureGemm, prepareRuntime } from '../../tensor/index.js';
import { availableBytes, computeDType, planLayouts, planRun, residentBytes } from '../../training/index.js';
import { parseByteSize } from '../byte-size.js';
import { placed } from '../hub-options.js';
import { EXIT_BAD_INPUT, parseOptions } from '../options.js';
import { reportGeneration } from './plan-generation.js';
import { reportLayouts } from './plan-layouts.js';
import { type PlanCliOptions, planSpecs } from './plan-options.js';
import { describeRun, runAsJson } from './plan-report.js';
import { readTrainingPlan } from './plan-source.js';
import { checkTrial, tryLayouts } from './plan-trial.js';
import { refuseOthers } from './plan-uses.js';

export async function plan(args: readonly string[]): Promise<number> {
  const options = await placed(
    planSpecs,
    parseOptions(
      {
        command: 'xinghe plan',
        summary: 'memory and time of a training run, or memory of generation, before it is started',
        notes:
          'The exit code is 0 for a run that fits, 2 for one that does not (the plan is printed all the same).',
      },
      planSpecs,
      args,
    ),
  );
  refuseOthers(options);
  return options.for === 'generation' ? planGenerationOf(options) : await planTraining(options);
}

function planGenerationOf(options: PlanCliOptions): number {
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  return reportGeneration(options, { startBytes: residentBytes(), available: memoryOf(options) });
}

async function planTraining(options: PlanCliOptions): Promise<number> {
  checkTrial(options);
  const { architecture, run } = readTrainingPlan(options);
  prepareRuntime(options.threads === undefined ? {} : { threads: options.threads });
  const startBytes = residentBytes();
  const peak = options['peak-gflops'] ?? measureGemm(computeDType(run.precision));
  const { bandwidth } = options;
  const planOptions = {
    ...run,
    bandwidth: bandwidth === undefined ? undefined : parseByteSize('--bandwidth', bandwidth),
    cacheTokens: options['cache-tokens'],
    copiesTransposed: run.precision === 'float32' && linearRoute().gradWeight,
    emulatesBfloat16: computeDType(run.precision) === 'bfloat16' && emulatesBfloat16(),
    peakFlopsPerSecond: peak * 1e9,
    startBytes,
  };
  const available = memoryOf(options);
  if (options.layout === 'auto') {
    const { devices = 1 } = options;
    const planned = planLayouts(architecture, planOptions, { devices, deviceMemory: available });
    const tried = options.trial === undefined ? undefined : await tryLayouts(options, planned, options.trial);
    return reportLayouts(architecture, planned, { deviceMemory: available, tried, json: options.json });
  }
  const found = planRun(architecture, planOptions);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(runAsJson(found, available, peak))}\n`
      : describeRun(architecture, found, run, available, peak),
  );
  if (found.peakBytes <= available) return 0;
  log('xinghe plan: the run does not fit; the exit code is 2');
  return EXIT_BAD_INPUT;
}

/** Of a device; of this machine, where the run is one process. */
function memoryOf(options: PlanCliOptions): number {
  const { 'device-memory': device, 'memory-gb': gigabytes } = options;
  if (device !== undefined) return parseByteSize('--device-memory', device);
  return gigabytes === undefined ? availableBytes() : gigabytes * 1e9;
}
