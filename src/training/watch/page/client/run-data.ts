/** The run as the page knows it: read once, then kept up by events; read anew when it grows too fine to draw. */

export interface Run {
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
] as const;
type Column = (typeof COLUMNS)[number] | 'loss_low' | 'loss_high';

interface Snapshot {
  readonly cursor: string;
  readonly run: Run;
  readonly columns: Record<Column, Values>;
  readonly phases: Record<string, Values>;
  readonly evaluations: Evaluation[];
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
  readonly samples: readonly Sample[];
}

export type Connection = 'connecting' | 'live' | 'lost' | 'ended';

/** Points asked for, and so many at which they are asked for again. */
const POINTS = 1500;
const TOO_MANY_POINTS = 3000;

export class RunData {
  snapshot: Snapshot | undefined;
  connection: Connection = 'connecting';
  tokens: number | undefined;
  readonly #changed: () => void;
  #source: EventSource | undefined;
  #isReading = false;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  async start(): Promise<void> {
    await this.#read();
    if (this.snapshot === undefined) {
      setTimeout(() => void this.start(), 2000);
      return;
    }
    // The browser reconnects by itself and names the last event that it has seen.
    const source = new EventSource(`/api/events?after=${encodeURIComponent(this.snapshot.cursor)}`);
    this.#source = source;
    source.addEventListener('open', () => this.#become('live'));
    source.addEventListener('message', ({ data }) => this.#take(JSON.parse(String(data))));
    source.addEventListener('reset', () => void this.#read());
    source.addEventListener('error', () => {
      if (this.connection !== 'ended') this.#become('lost');
      // Refused for good, as by a server that has too many watchers: start over.
      if (source.readyState === EventSource.CLOSED && this.connection !== 'ended')
        setTimeout(() => void this.start(), 5000);
    });
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      const response = await fetch(`/api/steps?points=${POINTS}`);
      if (!response.ok) throw new Error(`status ${response.status}`);
      this.snapshot = (await response.json()) as Snapshot; // Our own server's.
      this.#become(this.snapshot.run.ended ? 'ended' : this.connection);
    } catch {
      this.#become('lost');
    } finally {
      this.#isReading = false;
    }
  }

  #take(update: Update): void {
    const { snapshot } = this;
    if (snapshot === undefined) return;
    for (const step of update.steps) this.#append(snapshot, step);
    for (const found of update.evaluations)
      if (!snapshot.evaluations.some(({ step }) => step === found.step)) snapshot.evaluations.push(found);
    for (const found of update.samples)
      if (!snapshot.samples.some((known) => known.step === found.step && known.prompt === found.prompt))
        snapshot.samples.push(found);
    this.snapshot = { ...snapshot, run: update.run };
    if (update.run.ended) {
      this.#source?.close();
      this.connection = 'ended';
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
