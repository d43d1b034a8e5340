/** Runs a benchmark: peaks, both sides in turns with the load before each run, peaks again; the result as plain data. */
import { cpus } from 'node:os';
import { productVersion } from '../config/index.js';
import { log } from '../log/index.js';
import type { Benchmark, CostLaw, Metric } from './benchmark.js';
import { hardwareName, processorModel } from './machine/hardware-name.js';
import { describeQuiet, isQuiet, type LoadSample, sampleLoad, waitForQuiet } from './machine/machine-load.js';
import { betterPeaks, type MachinePeaks, type MachineProbe } from './machine/machine-peaks.js';
import { formatNumber } from './report/format-number.js';
import { ownSide } from './rounds/own-side.js';
import { type RoundRun, runRounds } from './rounds/run-rounds.js';
import { interrupted, runSide } from './rounds/run-side.js';
import { numberOf, type Side, type SideRun } from './rounds/side.js';
import { exponentOf, type Ratio, ratioOf, type Summary, summarize } from './rounds/summarize.js';

export interface RunOptions {
  readonly rounds: number;
  /** No further round is begun that would end later. */
  readonly seconds: number;
  /** Wait for it before each run, so many seconds in all at most; undefined: run whatever the load. */
  readonly quietTimeout?: number | undefined;
  /** As it was typed, for the result. */
  readonly command: string;
  readonly signal: AbortSignal;
  /** For tests: another clock, another machine. */
  readonly environment?: RunEnvironment | undefined;
}

export interface RunEnvironment {
  readonly run: (side: Side, keys: readonly string[], signal: AbortSignal) => Promise<SideRun>;
  readonly sampleLoad: () => Promise<LoadSample>;
  readonly cores: number;
}

/** The machine did not become quiet, or did not stay so. Exit code 1, no stack trace. */
export class NotQuietError extends Error {
  override readonly name = 'NotQuietError';
}

export interface MachineDescription {
  readonly processor: string;
  readonly cores: number;
  readonly hardware: string;
  readonly node: string;
  readonly xinghe: string;
  /** Of the probe before the runs; the peaks are the better of before and after. */
  readonly probe: MachineProbe;
  readonly before: MachinePeaks;
  readonly after: MachinePeaks;
}

export interface LimitResult {
  readonly of: keyof MachinePeaks;
  readonly peak: number;
  readonly share: number;
}

export interface MetricResult extends Omit<Metric, 'limit'> {
  readonly values: { readonly ours: Summary; readonly peer: Summary | undefined };
  readonly ratio: Ratio | undefined;
  readonly limit:
    | { readonly of: keyof MachinePeaks; readonly peak: number; readonly share: number }
    | undefined;
}

export interface AgreementResult {
  readonly title: string;
  readonly ours: number;
  readonly peer: number;
}

export interface LawResult extends Omit<CostLaw, 'sizes'> {
  readonly rows: readonly {
    readonly size: number;
    readonly time: Summary;
    readonly memory: Summary | undefined;
    /** From the size before; undefined of the first. */
    readonly step: number | undefined;
  }[];
  /** Over all sizes, of the best times. */
  readonly measured: number;
  readonly isAsExpected: boolean;
}

export interface BenchmarkResult {
  readonly subject: string;
  readonly title: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly command: string;
  readonly quiet: boolean;
  /** "quiet: no, load 3.1, …" */
  readonly quietText: string;
  readonly settings: Benchmark['settings'];
  readonly sides: { readonly ours: string; readonly peer: string | undefined };
  readonly machine: MachineDescription;
  readonly metrics: readonly MetricResult[];
  readonly agreements: readonly AgreementResult[];
  readonly law: LawResult | undefined;
  /** Rounds that were asked for; fewer are made where the time was over. */
  readonly roundsAsked: number;
  readonly runs: readonly RoundRun[];
  readonly notes: readonly string[];
}

/** @throws NotQuietError; InputError for a side that cannot be run or prints no numbers; InterruptedError */
export async function runBenchmark(benchmark: Benchmark, options: RunOptions): Promise<BenchmarkResult> {
  const { ours, peer } = benchmark;
  const environment = options.environment ?? {
    run: runSide,
    sampleLoad: () => sampleLoad(),
    cores: cpus().length,
  };
  const { cores } = environment;
  const sides = peer === undefined ? [ours] : [ours, peer];
  const samples: LoadSample[] = [];
  const sample = quietSampler(environment, options, samples);
  log(`bench ${benchmark.subject}: ${benchmark.title}; measuring the machine`);
  const probe = (): Promise<MachineProbe> => probeBy(environment, benchmark, options.signal);
  const before = await probe();
  const runs = await runRounds({
    sides,
    rounds: options.rounds,
    seconds: options.seconds,
    sampleLoad: sample,
    run: async (side) =>
      withRates(await environment.run(side, requiredKeys(benchmark, side), options.signal), benchmark),
    onRun: (run) => log(describeRun(run, sides, benchmark.metrics)),
  });
  const after = await probe();
  samples.push(await environment.sampleLoad());
  const quiet = samples.every((each) => isQuiet(each, cores));
  const peaks = betterPeaks(before, after);
  return {
    subject: benchmark.subject,
    title: benchmark.title,
    date: new Date().toISOString().slice(0, 10),
    command: options.command,
    quiet,
    quietText: describeQuiet(samples, cores),
    settings: benchmark.settings,
    sides: { ours: ours.name, peer: peer?.name },
    machine: {
      processor: processorModel(),
      cores,
      hardware: hardwareName(processorModel(), cores, before.capability),
      node: process.version,
      xinghe: productVersion(),
      probe: before,
      before: peaksOf(before),
      after: peaksOf(after),
    },
    metrics: benchmark.metrics.flatMap((metric) => metricResult(metric, runs, peer !== undefined, peaks)),
    agreements: agreementsOf(benchmark, runs),
    law: lawResult(benchmark, runs),
    roundsAsked: options.rounds,
    runs,
    notes: benchmark.notes,
  };
}

/** Samples before each run; with `quietTimeout` waits for a quiet one, and refuses to go on without. */
function quietSampler(
  { sampleLoad: take, cores }: RunEnvironment,
  { quietTimeout, signal }: RunOptions,
  samples: LoadSample[],
): () => Promise<LoadSample> {
  let left = quietTimeout ?? 0;
  return async () => {
    const started = performance.now();
    const sample = await waitForQuiet({
      cores,
      seconds: left,
      sample: () => {
        if (signal.aborted) throw interrupted();
        return take();
      },
      onWait: (seen) => log(`waiting for a quiet machine: ${describeQuiet([seen], cores)}`),
    });
    left = Math.max(0, left - (performance.now() - started) / 1000);
    samples.push(sample);
    if (quietTimeout !== undefined && !isQuiet(sample, cores))
      throw new NotQuietError(
        `bench: the machine did not become quiet within ${quietTimeout} s (${describeQuiet([sample], cores)}); nothing was written. ` +
          'End what runs beside it, wait longer with --quiet-timeout, or leave --require-quiet out.',
      );
    return sample;
  };
}

async function probeBy(
  { run }: RunEnvironment,
  { threads }: Benchmark,
  signal: AbortSignal,
): Promise<MachineProbe> {
  const keys = ['readBandwidth', 'copyBandwidth', 'float32Products', 'bfloat16Products', 'threads'];
  const made = await run(ownSide('probe', threads === undefined ? {} : { threads }), keys, signal);
  const number = (key: string): number => numberOf(made, key);
  const optional = (key: string): number | undefined =>
    made.printed[key] === undefined ? undefined : number(key);
  return {
    readBandwidth: number('readBandwidth'),
    copyBandwidth: number('copyBandwidth'),
    float32Products: number('float32Products'),
    bfloat16Products: number('bfloat16Products'),
    float32Registers: optional('float32Registers'),
    bfloat16Registers: optional('bfloat16Registers'),
    threads: number('threads'),
    capability: String(made.printed.capability ?? ''),
    emulatesBfloat16: made.printed.emulatesBfloat16 === true,
    libtorch: String(made.printed.libtorch ?? ''),
  };
}

function peaksOf(probe: MachineProbe): MachinePeaks {
  return betterPeaks(probe, probe);
}

function withRates(run: SideRun, { perProcess = {} }: Benchmark): SideRun {
  const rates = Object.entries(perProcess).map(([key, amount]) => [key, amount / run.processSeconds]);
  return { ...run, printed: { ...run.printed, ...Object.fromEntries(rates) } };
}

const PROCESS_KEYS = ['processSeconds', 'peakMemoryMiB'];

/** What a side must print itself. */
function requiredKeys({ metrics, ours, perProcess = {} }: Benchmark, side: Side): string[] {
  const numbers = metrics.filter(
    (metric) => metric.optional !== true && (side === ours || metric.ours !== true),
  );
  return numbers.map(({ key }) => key).filter((key) => !PROCESS_KEYS.includes(key) && !(key in perProcess));
}

/** Values of one side, in the order of the rounds; undefined where a run lacks it. */
function summaryOf({ key, better }: Metric, runs: readonly RoundRun[], side: number): Summary | undefined {
  const values = runs.filter((run) => run.side === side).map((run) => numberOf(run, key));
  return values.length === 0 || values.some(Number.isNaN) ? undefined : summarize(values, better);
}

/** None where our side has no value: the system does not tell it. */
function metricResult(
  metric: Metric,
  runs: readonly RoundRun[],
  hasPeer: boolean,
  peaks: MachinePeaks,
): MetricResult[] {
  const ours = summaryOf(metric, runs, 0);
  if (ours === undefined) return [];
  const peer = hasPeer && metric.ours !== true ? summaryOf(metric, runs, 1) : undefined;
  const { limit, ...rest } = metric;
  return [
    {
      ...rest,
      values: { ours, peer },
      ratio: peer === undefined ? undefined : ratioOf(ours, peer),
      limit: limitResult(ours.best, limit, peaks),
    },
  ];
}

function limitResult(
  best: number,
  of: keyof MachinePeaks | undefined,
  peaks: MachinePeaks,
): LimitResult | undefined {
  const peak = of === undefined ? undefined : peaks[of];
  return of === undefined || peak === undefined ? undefined : { of, peak, share: best / peak };
}

/** Of the last round; a disagreement is shown, not hidden. */
function agreementsOf({ agreements = [] }: Benchmark, runs: readonly RoundRun[]): AgreementResult[] {
  const [ours, peer] = [0, 1].map((side) => runs.findLast((run) => run.side === side));
  if (ours === undefined || peer === undefined) return [];
  return agreements
    .map(({ key, title }) => ({
      title,
      ours: numberOf(ours, key),
      peer: numberOf(peer, key),
    }))
    .filter((each) => !Number.isNaN(each.ours) && !Number.isNaN(each.peer));
}

/** Times between two sizes are noisy: so far may the exponent lie outside. */
const EXPONENT_TOLERANCE = 0.1;

function lawResult({ law }: Benchmark, runs: readonly RoundRun[]): LawResult | undefined {
  if (law === undefined) return undefined;
  const { sizes, ...rest } = law;
  const summary = (key: string): Summary =>
    summarize(
      runs.map((run) => numberOf(run, key)),
      'lower',
    );
  const rows = sizes.map(({ size, timeKey, memoryKey }) => ({
    size,
    time: summary(timeKey),
    memory: memoryKey === undefined ? undefined : summary(memoryKey),
  }));
  const points = rows.map(({ size, time }) => ({ size, value: time.best }));
  const measured = exponentOf(points);
  const { least, greatest } = law.exponent;
  return {
    ...rest,
    rows: rows.map((row, place) => ({
      ...row,
      step: place === 0 ? undefined : exponentOf(points.slice(place - 1, place + 1)),
    })),
    measured,
    isAsExpected: measured >= least - EXPONENT_TOLERANCE && measured <= greatest + EXPONENT_TOLERANCE,
  };
}

function describeRun(run: RoundRun, sides: readonly Side[], metrics: readonly Metric[]): string {
  const shown = metrics
    .map(({ key, title, unit }) => ({ title, unit, value: numberOf(run, key) }))
    .filter(({ value }) => !Number.isNaN(value))
    .slice(0, 3)
    .map(({ title, unit, value }) => `${title} ${formatNumber(value)} ${unit}`);
  return `round ${run.round}, ${sides[run.side]?.name}, load ${run.before.load.toFixed(1)}: ${shown.join(', ')}`;
}
