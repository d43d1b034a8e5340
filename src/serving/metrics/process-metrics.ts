/** What Prometheus' client libraries say of a process: of the HTTP side here, not of the engine's. */
import { Counter, Gauge, type Registry } from 'prom-client';

export class ProcessMetrics {
  readonly #cpuSeconds: Counter;
  readonly #residentBytes: Gauge;
  #counted = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#cpuSeconds = new Counter({
      name: 'process_cpu_seconds_total',
      help: 'CPU time of the HTTP process in seconds.',
      registers,
    });
    this.#residentBytes = new Gauge({
      name: 'process_resident_memory_bytes',
      help: 'Memory of the HTTP process in bytes.',
      registers,
    });
    const start = new Gauge({
      name: 'process_start_time_seconds',
      help: 'When the HTTP process began, in seconds since 1970.',
      registers,
    });
    start.set(Date.now() / 1000 - process.uptime());
  }

  /** Before the registry is read. */
  update(): void {
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    this.#cpuSeconds.inc(Math.max(0, seconds - this.#counted));
    this.#counted = seconds;
    this.#residentBytes.set(process.memoryUsage.rss());
  }
}
