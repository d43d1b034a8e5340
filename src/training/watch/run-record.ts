/** What a run writes of itself into its folder: configuration, how it was started, a log with times, samples. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { messageOf } from '../../errors/index.js';
import { fileStatus, writeFileAtomic } from '../../formats/index.js';
import { listenToLog, log } from '../../log/index.js';
import { torchVersion } from '../../tensor/index.js';
import { AppendFile } from './append-file.js';
import { metricTexts } from './objective-metrics.js';
import type { RunObserver, StepRecord } from './observer.js';
import { CONFIG_FILE, LOG_FILE, SAMPLES_FILE, STARTS_FILE } from './run-files.js';

/** Of a run's first line: so it is told from a user's own file of that name. */
const SIGN = '# Written by xinghe train';
/** Before the first step nothing is written; so much of the log is kept until then. */
const MOST_WAITING_LINES = 1000;

/** One line of starts.jsonl. */
export interface RunStartRecord {
  readonly started: string;
  readonly command: readonly string[];
  readonly directory: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly first_step: number;
  readonly total_steps: number;
}

export interface RunRecordOptions {
  /** As resolved: all defaults filled in. */
  readonly config: unknown;
  /** Default: that of this process. */
  readonly command?: readonly string[];
}

export interface RunRecord extends RunObserver {
  /** The run is over, one way or the other: the last line of its log. `close` ends the loop of steps alone. */
  end(error?: unknown): void;
}

/**
 * Hears the log from now on, and writes from the first step on: a run that fails before it leaves no folder behind. What
 * the disk does not take is told once and left out; the run goes on.
 */
export function runRecord(
  folder: string,
  { config, command = commandOfProcess() }: RunRecordOptions,
): RunRecord {
  const waiting: string[] = [];
  let file: AppendFile | undefined;
  let samples: AppendFile | undefined;
  const note = (message: string): void => {
    const line = `${timeStamp()} ${message.replaceAll('\n', '\n  ')}\n`;
    if (file !== undefined) file.append(line);
    else if (waiting.length < MOST_WAITING_LINES) waiting.push(line);
  };
  const endListening = listenToLog(note);
  const begin = (record: StepRecord): void => {
    writeConfig(folder, config, command);
    guarded(() => {
      const starts = new AppendFile(join(folder, STARTS_FILE));
      starts.append(`${JSON.stringify(startRecord(record, command))}\n`);
      starts.close();
      file = new AppendFile(join(folder, LOG_FILE));
    });
    file?.append(`${timeStamp()} ${quoted(command)}\n`);
    for (const line of waiting.splice(0)) file?.append(line);
  };
  return {
    step(record) {
      if (file === undefined) begin(record);
      const { step, totalSteps, loss, gradNorm, learningRate, metrics, tokensPerSecond, skipped } = record;
      const measured = metricTexts(metrics).map((text) => `, ${text}`);
      note(
        `step ${step}/${totalSteps}: loss ${loss.toPrecision(6)}${measured.join('')}, gradient norm ${gradNorm.toPrecision(4)}, learning rate ` +
          `${learningRate.toPrecision(4)}, ${Math.round(tokensPerSecond)} tokens/s${skipped === true ? ', skipped' : ''}`,
      );
    },
    evaluation({ step, loss, perplexity, metrics, isBest }) {
      note(
        [
          `step ${step}: evaluation loss ${loss.toPrecision(6)}`,
          ...(perplexity === undefined ? [] : [`perplexity ${perplexity.toPrecision(5)}`]),
          ...metricTexts(metrics),
          ...(isBest ? ['the best so far'] : []),
        ].join(', '),
      );
    },
    sample(sample) {
      guarded(() => {
        samples ??= new AppendFile(join(folder, SAMPLES_FILE));
      });
      samples?.append(`${JSON.stringify(sample)}\n`);
    },
    close() {},
    end(error) {
      endListening();
      note(error === undefined ? 'the run has ended' : `the run was ended: ${messageOf(error)}`);
      samples?.close();
      file?.close();
    },
  };
}

function guarded(work: () => void): void {
  try {
    work();
  } catch (error) {
    log(`warning: ${messageOf(error)} The run goes on without it.`);
  }
}

/** A user's own config.yaml stays; one of an earlier start that says something else is kept beside the new one. */
function writeConfig(folder: string, config: unknown, command: readonly string[]): void {
  const path = join(folder, CONFIG_FILE);
  const head = `${SIGN}, all defaults filled in; xinghe train --config takes it.\n# ${quoted(command)}\n`;
  const content = `${head}${stringify(config)}`;
  guarded(() => {
    const before = fileStatus(path) === undefined ? undefined : readFileSync(path, 'utf8');
    if (before !== undefined && !before.startsWith(SIGN)) {
      log(`${path} is not the run's own and stays; the resolved configuration is in resolved-${CONFIG_FILE}`);
      writeFileAtomic(join(folder, `resolved-${CONFIG_FILE}`), content);
      return;
    }
    if (before !== undefined && isSame(before, content)) return;
    if (before !== undefined)
      writeFileAtomic(join(folder, `config-until-${timeStamp().replaceAll(':', '')}.yaml`), before);
    writeFileAtomic(path, content);
  });
}

/** But for the comments. */
function isSame(before: string, after: string): boolean {
  const values = (text: string): string => text.replace(/^#.*\n/gm, '');
  return values(before) === values(after);
}

function startRecord({ step, totalSteps }: StepRecord, command: readonly string[]): RunStartRecord {
  return {
    started: new Date().toISOString(),
    command,
    directory: process.cwd(),
    versions: { xinghe: ownVersion(), node: process.versions.node, libtorch: torchVersion() },
    first_step: step,
    total_steps: totalSteps,
  };
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(
    readFileSync(fileURLToPath(new URL('../../../package.json', import.meta.url)), 'utf8'),
  );
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

/** The command line of this process. */
export function commandOfProcess(): string[] {
  const [, script = 'xinghe', ...args] = process.argv;
  return [basename(script), ...args];
}

/** As a shell takes it. */
export function quoted(command: readonly string[]): string {
  return command
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** Local time with its offset, to the second: 2026-05-01T12:34:56+08:00. */
function timeStamp(): string {
  const now = new Date();
  const minutes = -now.getTimezoneOffset();
  const local = new Date(now.getTime() + 60_000 * minutes).toISOString().slice(0, 19);
  const two = (value: number): string => String(Math.trunc(Math.abs(value))).padStart(2, '0');
  return `${local}${minutes < 0 ? '-' : '+'}${two(minutes / 60)}:${two(minutes % 60)}`;
}
