/** A run read from its folder, finished or going on: what is there, and what is added to it. */
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import { fieldOf } from '../../json/index.js';
import { log } from '../../log/index.js';
import { EVALUATION_PREFIX, OBJECTIVE_METRICS } from './objective-metrics.js';
import type { EvaluationRecord, SampleRecord, StepRecord, TaskScoresRecord } from './observer.js';
import { CONFIG_FILE, METRICS_FILE, SAMPLES_FILE, STARTS_FILE } from './run-files.js';
import type { RunSetup, WatchedRun } from './watched-run.js';

const POLL_MILLISECONDS = 500;

/** @throws InputError for a folder in which no run ever was */
export function checkRunFolder(folder: string): void {
  const status = fileStatus(folder);
  if (status === undefined) throw new InputError(`${folder}: there is no such folder.`);
  if (!status.isDirectory()) throw new InputError(`${folder}: is a file; name the output folder of a run.`);
  const names = [METRICS_FILE, STARTS_FILE, CONFIG_FILE, 'run.lock'];
  if (names.every((name) => fileStatus(join(folder, name)) === undefined))
    throw new InputError(`${folder}: holds no run (no ${METRICS_FILE}); name the output folder of one.`);
}

/** Follows the files of a folder into a watched run until it is closed. */
export class RunFolder {
  readonly #folder: string;
  readonly #run: WatchedRun;
  readonly #isRunning: () => boolean;
  readonly #metrics: GrowingLines;
  readonly #samples: GrowingLines;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #totalSteps = 0;
  #faulty = 0;

  /** @param isRunning whether a process trains into the folder now */
  constructor(folder: string, run: WatchedRun, isRunning: () => boolean) {
    this.#folder = folder;
    this.#run = run;
    this.#isRunning = isRunning;
    this.#metrics = new GrowingLines(join(folder, METRICS_FILE));
    this.#samples = new GrowingLines(join(folder, SAMPLES_FILE));
  }

  /** Reads all that is there; then goes on reading by itself. */
  async start(): Promise<void> {
    await this.#read();
    const again = (): void => {
      this.#timer = setTimeout(async () => {
        await this.#read();
        if (!this.#isClosed) again();
      }, POLL_MILLISECONDS);
    };
    again();
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #read(): Promise<void> {
    try {
      await this.#readSetup();
      const faulty = this.#faulty;
      await this.#metrics.read(
        (line) => this.#takeLine(line),
        () => this.#run.restart(),
      );
      if (this.#faulty > faulty)
        log(
          `${join(this.#folder, METRICS_FILE)}: ${this.#faulty - faulty} lines are not readable and left out`,
        );
      await this.#samples.read(
        (line) => {
          const sample = sampleOf(parseLine(line));
          if (sample !== undefined) this.#run.sample(sample);
        },
        () => {},
      );
      this.#run.setEnded(!this.#isRunning());
    } catch (error) {
      // The folder may be moved or on a disk that is away for a while; the next look tells.
      log(`${this.#folder}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async #readSetup(): Promise<void> {
    const starts = (await textOf(join(this.#folder, STARTS_FILE)))?.trimEnd().split('\n') ?? [];
    const last = parseLine(starts.at(-1) ?? '');
    this.#totalSteps = asNumber(fieldOf(last, 'total_steps')) ?? 0;
    const command = fieldOf(last, 'command');
    this.#run.setup = {
      config: await this.#readConfig(),
      command: Array.isArray(command) ? command.join(' ') : undefined,
      started: asText(fieldOf(last, 'started')),
      versions: versionsOf(fieldOf(last, 'versions')),
    } satisfies RunSetup;
  }

  async #readConfig(): Promise<unknown> {
    const resolved = await textOf(join(this.#folder, `resolved-${CONFIG_FILE}`));
    const text = resolved ?? (await textOf(join(this.#folder, CONFIG_FILE)));
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch {
      return undefined;
    }
  }

  #takeLine(line: string): void {
    const value = parseLine(line);
    const step = asNumber(fieldOf(value, 'step'));
    if (step === undefined) this.#faulty += 1;
    else if (fieldOf(value, 'task_scores') !== undefined) this.#run.taskScores(taskScoresOf(step, value));
    else if (fieldOf(value, 'eval_loss') !== undefined) this.#run.evaluation(evaluationOf(step, value));
    else this.#run.step(stepOf(step, value, this.#totalSteps));
  }
}

/** The lines that are added to a file. */
class GrowingLines {
  readonly #path: string;
  #read = 0;
  #inode = 0;
  #rest = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** @param restart called before the first line where the file was written anew */
  async read(take: (line: string) => void, restart: () => void): Promise<void> {
    const status = await stat(this.#path).catch(() => undefined);
    if (status === undefined) return;
    if (this.#read > 0 && (status.size < this.#read || status.ino !== this.#inode)) {
      this.#read = 0;
      this.#rest = '';
      restart();
    }
    this.#inode = status.ino;
    if (status.size === this.#read) return;
    const pieces = createReadStream(this.#path, {
      start: this.#read,
      end: status.size - 1,
      encoding: 'utf8',
    });
    for await (const piece of pieces) {
      const lines = `${this.#rest}${piece}`.split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') take(line);
    }
    this.#read = status.size;
  }
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** null in the file: it was not finite. */
function numberOf(value: unknown, name: string): number {
  return asNumber(fieldOf(value, name)) ?? Number.NaN;
}

function stepOf(step: number, value: unknown, totalSteps: number): StepRecord {
  const phases = fieldOf(value, 'phase_seconds');
  const entries = typeof phases === 'object' && phases !== null ? Object.entries(phases) : [];
  return {
    step,
    totalSteps,
    loss: numberOf(value, 'loss'),
    gradNorm: numberOf(value, 'grad_norm'),
    learningRate: numberOf(value, 'learning_rate'),
    metrics: metricsOf(value, ''),
    tokens: numberOf(value, 'tokens'),
    learnedTokens: numberOf(value, 'learned_tokens'),
    rows: numberOf(value, 'rows'),
    tokensPerSecond: numberOf(value, 'tokens_per_second'),
    modelFlopsUtilisation: asNumber(fieldOf(value, 'mfu')),
    memoryBytes: numberOf(value, 'memory_bytes'),
    peakMemoryBytes: numberOf(value, 'peak_memory_bytes'),
    phaseSeconds: Object.fromEntries(
      entries.flatMap(([name, seconds]) => (typeof seconds === 'number' ? [[name, seconds]] : [])),
    ),
    elapsedSeconds: numberOf(value, 'elapsed_seconds'),
    lossScale: asNumber(fieldOf(value, 'loss_scale')),
    skipped: fieldOf(value, 'skipped') === true ? true : undefined,
  };
}

function evaluationOf(step: number, value: unknown): EvaluationRecord {
  return {
    step,
    loss: numberOf(value, 'eval_loss'),
    perplexity: fieldOf(value, 'perplexity') === undefined ? undefined : numberOf(value, 'perplexity'),
    metrics: metricsOf(value, EVALUATION_PREFIX),
    tokens: numberOf(value, 'eval_tokens'),
    seconds: numberOf(value, 'eval_seconds'),
    isBest: fieldOf(value, 'is_best') === true,
  };
}

function taskScoresOf(step: number, value: unknown): TaskScoresRecord {
  const list = fieldOf(value, 'task_scores');
  const scores = (Array.isArray(list) ? list : []).flatMap((entry: unknown) => {
    const task = asText(fieldOf(entry, 'task'));
    const metric = asText(fieldOf(entry, 'metric'));
    if (task === undefined || metric === undefined) return [];
    return [
      {
        task,
        metric,
        score: asNumber(fieldOf(entry, 'score')) ?? null,
        n: asNumber(fieldOf(entry, 'n')) ?? 0,
        stderr: asNumber(fieldOf(entry, 'stderr')) ?? null,
        chance: asNumber(fieldOf(entry, 'chance')) ?? null,
      },
    ];
  });
  return { step, scores, seconds: numberOf(value, 'task_seconds') };
}

function metricsOf(value: unknown, prefix: string): Readonly<Record<string, number>> | undefined {
  const found = OBJECTIVE_METRICS.filter((name) => fieldOf(value, `${prefix}${name}`) !== undefined);
  if (found.length === 0) return undefined;
  return Object.fromEntries(found.map((name) => [name, numberOf(value, `${prefix}${name}`)]));
}

function sampleOf(value: unknown): SampleRecord | undefined {
  const step = asNumber(fieldOf(value, 'step'));
  const prompt = asText(fieldOf(value, 'prompt'));
  const text = asText(fieldOf(value, 'text'));
  return step === undefined || prompt === undefined || text === undefined
    ? undefined
    : { step, prompt, text };
}

function versionsOf(value: unknown): Record<string, string> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.fromEntries(Object.entries(value).map(([name, version]) => [name, String(version)]));
}
