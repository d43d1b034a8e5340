/** One run as the watch page knows it: its history in bounded memory, and the events that tell readers of more. */
import { EventStream } from './event-stream.js';
import { evaluationLine, stepLine, taskScoresLine } from './metrics-file.js';
import type {
  EvaluationRecord,
  RunObserver,
  SampleRecord,
  StepRecord,
  TaskScoresRecord,
} from './observer.js';
import { remainingSeconds } from './remaining-seconds.js';
import { RunHistory } from './run-history.js';

/** Steps that end within so many milliseconds go out together. */
const FLUSH_MILLISECONDS = 100;
/** The last ones are kept. */
const MAX_SAMPLES = 100;
const MAX_EVALUATIONS = 10_000;

/** How the run was set up, for those who watch. */
export interface RunSetup {
  /** As resolved; undefined where the folder does not tell. */
  readonly config: unknown;
  /** The last start. */
  readonly command?: string | undefined;
  readonly started?: string | undefined;
  readonly versions?: Readonly<Record<string, string>> | undefined;
}

export interface RunState {
  readonly id: string;
  readonly label: string;
  total_steps: number | undefined;
  remaining_seconds: number | undefined;
  ended: boolean;
  /** The server stays when the run ends, and tells when it goes on. */
  readonly followed: boolean;
  /** How often the file behind it was written anew. */
  restarts: number;
}

interface Pending {
  steps: Record<string, unknown>[];
  evaluations: Record<string, unknown>[];
  task_scores: Record<string, unknown>[];
  samples: SampleRecord[];
}

export interface WatchedRunOptions {
  readonly id: string;
  readonly label: string;
  readonly followed: boolean;
  readonly setup: RunSetup;
}

export class WatchedRun implements RunObserver {
  readonly events = new EventStream();
  readonly state: RunState;
  setup: RunSetup;
  readonly #history = new RunHistory();
  #remaining = remainingSeconds();
  #evaluations: Record<string, unknown>[] = [];
  #taskScores: Record<string, unknown>[] = [];
  readonly #samples: SampleRecord[] = [];
  #pending: Pending = emptyPending();
  #flushTimer: NodeJS.Timeout | undefined;

  constructor({ id, label, followed, setup }: WatchedRunOptions) {
    this.setup = setup;
    this.state = {
      id,
      label,
      total_steps: undefined,
      remaining_seconds: undefined,
      ended: false,
      followed,
      restarts: 0,
    };
  }

  step(record: StepRecord): void {
    this.#history.append(record);
    this.state.total_steps = record.totalSteps > 0 ? record.totalSteps : this.state.total_steps;
    this.state.remaining_seconds = this.#remaining({ ...record, totalSteps: this.state.total_steps ?? 0 });
    this.#pending.steps.push(stepLine(record));
    this.#flushSoon();
  }

  evaluation(record: EvaluationRecord): void {
    const line = evaluationLine(record);
    // Of a run that was taken up again at an earlier step.
    if (Number(this.#evaluations.at(-1)?.step ?? 0) >= record.step)
      this.#evaluations = this.#evaluations.filter(({ step }) => Number(step) < record.step);
    this.#evaluations.push(line);
    if (this.#evaluations.length > MAX_EVALUATIONS) this.#evaluations.shift();
    this.#pending.evaluations.push(line);
    this.#flushSoon();
  }

  taskScores(record: TaskScoresRecord): void {
    const line = taskScoresLine(record);
    this.#taskScores = this.#taskScores.filter(({ step }) => Number(step) < record.step);
    this.#taskScores.push(line);
    if (this.#taskScores.length > MAX_EVALUATIONS) this.#taskScores.shift();
    this.#pending.task_scores.push(line);
    this.#flushSoon();
  }

  sample(record: SampleRecord): void {
    this.#samples.push(record);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#pending.samples.push(record);
    this.#flushSoon();
  }

  /** Everything is to be read anew: the file behind it was written anew. */
  restart(): void {
    this.#history.clear();
    this.#evaluations = [];
    this.#taskScores = [];
    this.#pending = emptyPending();
    this.#remaining = remainingSeconds();
    this.state.restarts += 1;
    this.events.reset();
  }

  setEnded(isEnded: boolean): void {
    if (this.state.ended === isEnded) return;
    this.state.ended = isEnded;
    this.#flushSoon();
  }

  /** The steps behind `from` in at most so many points. */
  content(from: number, points: number): object {
    return {
      cursor: this.events.cursor,
      run: this.state,
      ...this.#history.points(from, points),
      evaluations: this.#evaluations.filter(({ step }) => Number(step) > from),
      // Those before the first step are of step 0.
      task_scores: this.#taskScores.filter(({ step }) => from === 0 || Number(step) > from),
      samples: this.#samples.filter(({ step }) => step > from),
    };
  }

  close(): void {
    this.state.ended = true;
    this.#flush();
    this.events.close();
  }

  #flushSoon(): void {
    this.#flushTimer ??= setTimeout(() => this.#flush(), FLUSH_MILLISECONDS);
  }

  #flush(): void {
    clearTimeout(this.#flushTimer);
    this.#flushTimer = undefined;
    this.events.send({ run: this.state, ...this.#pending });
    this.#pending = emptyPending();
  }
}

function emptyPending(): Pending {
  return { steps: [], evaluations: [], task_scores: [], samples: [] };
}
