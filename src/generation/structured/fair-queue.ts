/**
 * Whose job is next where one worker serves many clients: each has a share of the time, however many jobs it brings and however
 * long they take. Weighted fair queueing: the job goes first that would be done first if all clients were served side by side.
 */

interface ClientQueue<Job> {
  readonly jobs: { readonly job: Job; readonly milliseconds: number }[];
  /** When the first of the jobs is due to be done. */
  due: number;
  /** What the client has had. */
  served: number;
}

export class FairQueue<Job> {
  readonly #clients = new Map<string, ClientQueue<Job>>();
  /** Milliseconds that a client which always has jobs has been served until now. */
  #time = 0;

  /** Jobs that wait. */
  get size(): number {
    let size = 0;
    for (const { jobs } of this.#clients.values()) size += jobs.length;
    return size;
  }

  /** @param milliseconds that it will take, as far as that can be known */
  add(client: string, job: Job, milliseconds: number): void {
    const queue = this.#clients.get(client) ?? { jobs: [], due: 0, served: 0 };
    this.#clients.set(client, queue);
    queue.jobs.push({ job, milliseconds });
    if (queue.jobs.length === 1) this.#schedule(queue);
  }

  /** Takes the next job out; `spent` is to be called with what it took. */
  next(): { readonly job: Job; readonly spent: (milliseconds: number) => void } | undefined {
    let first: ClientQueue<Job> | undefined;
    for (const queue of this.#clients.values())
      if (queue.jobs.length > 0 && (first === undefined || queue.due < first.due)) first = queue;
    const taken = first?.jobs.shift();
    if (first === undefined || taken === undefined) return undefined;
    const queue = first;
    const active = [...this.#clients.values()].filter(({ jobs }) => jobs.length > 0).length;
    const sharers = queue.jobs.length > 0 ? active : active + 1;
    queue.served = queue.due;
    this.#time += taken.milliseconds / sharers;
    if (queue.jobs.length > 0) this.#schedule(queue);
    this.#forget();
    return {
      job: taken.job,
      spent: (milliseconds) => {
        const more = milliseconds - taken.milliseconds;
        queue.served += more;
        queue.due += more;
        this.#time += more / sharers;
      },
    };
  }

  /** Takes a job out, wherever it waits. */
  remove(job: Job): void {
    for (const queue of this.#clients.values()) {
      const index = queue.jobs.findIndex((each) => each.job === job);
      if (index < 0) continue;
      queue.jobs.splice(index, 1);
      if (index === 0 && queue.jobs.length > 0) this.#schedule(queue);
    }
    this.#forget();
  }

  #schedule(queue: ClientQueue<Job>): void {
    queue.due = Math.max(this.#time, queue.served) + (queue.jobs[0]?.milliseconds ?? 0);
  }

  /** Clients that have nothing here and no more than their share are as new ones. */
  #forget(): void {
    for (const [client, { jobs, served }] of this.#clients)
      if (jobs.length === 0 && served < this.#time) this.#clients.delete(client);
  }
}
