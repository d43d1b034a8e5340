/** The run as the page knows it: read once, then kept up by events; read anew when it grows too fine to draw. */

/** How a run was set up, as far as it is known. */
export interface Setup {
  readonly config?: unknown;
  readonly command?: string;
  readonly started?: string;
  readonly versions?: Readonly<Record<string, string>>;
}

export interface RunEntry extends Run {
  readonly setup: Setup;
}

export interface Run {
  readonly id: string;
  /** It is read from its folder: asked for again and again, for it may go on. */
  readonly followed: boolean;
  /** Counts how often its file was written anew. */
  readonly restarts: number;
  readonly label: string;
  readonly total_steps?: number;
  readonly remaining_seconds?: number;
  readonly ended: boolean;
}

export interface Evaluation {
  readonly step: number;
  readonly eval_loss: number | null;
  readonly perplexity: number | null;
  readonly is_best: boolean;
}

export interface TaskScores {
  readonly step: number;
  readonly task_scores: readonly {
    readonly task: string;
    readonly metric: string;
    readonly score: number | null;
    readonly chance: number | null;
  }[];
}

export interface Sample {
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}

type Values = (number | null)[];

export const COLUMNS = [
  'step',
  'loss',
  'grad_norm',
  'learning_rate',
  'tokens_per_second',
  'mfu',
  'memory_bytes',
  'peak_memory_bytes',
  'elapsed_seconds',
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
  'distillation_loss',
  'nll_loss',
] as const;
type Column = (typeof COLUMNS)[number] | 'loss_low' | 'loss_high';

export interface Snapshot {
  readonly cursor: string;
  readonly run: Run;
  readonly columns: Record<Column, Values>;
  readonly phases: Record<string, Values>;
  readonly evaluations: Evaluation[];
  readonly task_scores: TaskScores[];
  readonly samples: Sample[];
}

interface Step extends Partial<Record<(typeof COLUMNS)[number], number | null>> {
  readonly step: number;
  readonly tokens?: number;
  readonly skipped?: boolean;
  readonly phase_seconds: Readonly<Record<string, number>>;
}

interface Update {
  readonly run: Run;
  readonly steps: readonly Step[];
  readonly evaluations: readonly Evaluation[];
  readonly task_scores: readonly TaskScores[];
  readonly samples: readonly Sample[];
}

export type Connection = 'connecting' | 'live' | 'lost' | 'ended' | 'stopped';

/** Points asked for, and so many at which they are asked for again. */
const POINTS = 1500;
const TOO_MANY_POINTS = 3000;
const POLL_MILLISECONDS = 1500;

/** @throws TypeError or Error where the server does not answer */
export async function readRuns(): Promise<RunEntry[]> {
  const response = await fetch('/api/runs');
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()) as RunEntry[]; // Our own server's.
}

export class RunData {
  snapshot: Snapshot | undefined;
  connection: Connection = 'connecting';
  tokens: number | undefined;
  readonly id: string;
  readonly #changed: () => void;
  #source: EventSource | undefined;
  #isReading = false;

  constructor(id: string, changed: () => void) {
    this.id = id;
    this.#changed = changed;
  }

  async start(): Promise<void> {
    await this.#read();
    if (this.snapshot === undefined) {
      setTimeout(() => void this.start(), 2000);
      return;
    }
    if (this.snapshot.run.followed) {
      this.#pollSoon();
      return;
    }
    // The browser reconnects by itself and names the last event that it has seen.
    const source = new EventSource(
      `/api/events?run=${this.id}&after=${encodeURIComponent(this.snapshot.cursor)}`,
    );
    this.#source = source;
    source.addEventListener('open', () => this.#become('live'));
    source.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))));
    source.addEventListener('reset', () => void this.#read());
    source.addEventListener('error', () => {
      if (!this.#isOver) this.#become('lost');
      // Refused for good, as by a server that has too many watchers: start over.
      if (source.readyState === EventSource.CLOSED && !this.#isOver)
        setTimeout(() => void this.start(), 5000);
    });
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      this.snapshot = await this.#ask(0);
      this.#become(this.#stateOf(this.snapshot.run));
    } catch {
      this.#become('lost');
    } finally {
      this.#isReading = false;
    }
  }

  async #ask(from: number): Promise<Snapshot> {
    const response = await fetch(`/api/steps?run=${this.id}&from=${from}&points=${POINTS}`);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return (await response.json()) as Snapshot; // Our own server's.
  }

  get #isOver(): boolean {
    return this.connection === 'ended' || this.connection === 'stopped';
  }

  #stateOf({ ended, followed, total_steps = 0 }: Run): Connection {
    if (!ended) return followed ? 'live' : this.connection;
    const last = this.snapshot?.columns.step.at(-1) ?? 0;
    return last < total_steps ? 'stopped' : 'ended';
  }

  /** One request a run now and then: a browser keeps few connections open to one server, and there may be many runs. */
  #pollSoon(): void {
    setTimeout(async () => {
      if (!document.hidden) await this.#poll();
      this.#pollSoon();
    }, POLL_MILLISECONDS);
  }

  async #poll(): Promise<void> {
    const { snapshot } = this;
    if (snapshot === undefined) return this.#read();
    try {
      const {
        run,
        columns,
        phases,
        evaluations,
        task_scores: scores,
        samples,
      } = await this.#ask(snapshot.columns.step.at(-1) ?? 0);
      const isFine = snapshot.columns.step.length + columns.step.length <= TOO_MANY_POINTS;
      if (run.restarts !== snapshot.run.restarts || !isFine) return await this.#read();
      const before = snapshot.columns.step.length;
      for (const name of Object.keys(columns) as (keyof typeof columns)[])
        snapshot.columns[name].push(...columns[name]);
      for (const name of Object.keys(phases)) snapshot.phases[name] ??= new Array<number>(before).fill(0);
      for (const [name, values] of Object.entries(snapshot.phases))
        values.push(...(phases[name] ?? new Array<number>(columns.step.length).fill(0)));
      this.#addEvents(snapshot, { evaluations, task_scores: scores, samples });
      this.snapshot = { ...snapshot, run };
      this.#become(this.#stateOf(run));
    } catch {
      this.#become('lost');
    }
  }

  #addEvents(
    snapshot: Snapshot,
    { evaluations, task_scores: scores, samples }: Pick<Update, 'evaluations' | 'task_scores' | 'samples'>,
  ): void {
    for (const found of evaluations)
      if (!snapshot.evaluations.some(({ step }) => step === found.step)) snapshot.evaluations.push(found);
    for (const found of scores)
      if (!snapshot.task_scores.some(({ step }) => step === found.step)) snapshot.task_scores.push(found);
    for (const found of samples)
      if (!snapshot.samples.some((known) => known.step === found.step && known.prompt === found.prompt))
        snapshot.samples.push(found);
  }

  #take(update: Update): void {
    const { snapshot } = this;
    if (snapshot === undefined) return;
    for (const step of update.steps) this.#append(snapshot, step);
    this.#addEvents(snapshot, update);
    this.snapshot = { ...snapshot, run: update.run };
    if (update.run.ended) {
      this.#source?.close();
      this.connection = this.#stateOf(update.run);
    } else if (this.connection !== 'live') this.connection = 'live';
    this.#changed();
    if (snapshot.columns.step.length > TOO_MANY_POINTS) void this.#read();
  }

  #append({ columns, phases }: Snapshot, step: Step): void {
    // Known already, where the page was read between two events.
    if (step.step <= (columns.step.at(-1) ?? 0)) return;
    this.tokens = step.tokens;
    const before = columns.step.length;
    for (const name of COLUMNS) columns[name].push(step[name] ?? null);
    columns.loss_low.push(step.loss ?? null);
    columns.loss_high.push(step.loss ?? null);
    for (const name of Object.keys(step.phase_seconds)) phases[name] ??= new Array<number>(before).fill(0);
    for (const [name, values] of Object.entries(phases)) values.push(step.phase_seconds[name] ?? 0);
  }

  #become(connection: Connection): void {
    this.connection = connection;
    this.#changed();
  }
}
