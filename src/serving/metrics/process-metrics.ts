/** What Prometheus' client libraries say of a process: of the HTTP side here, not of the engine's. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { lostLogLines } from '../../log/index.js';

export class ProcessMetrics {
  readonly #cpuSeconds: Counter;
  readonly #residentBytes: Gauge;
  readonly #lostLines: Counter;
  #counted = 0;
  #countedLines = 0;

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
    this.#lostLines = new Counter({
      name: 'xinghe:lost_log_lines_total',
      help: 'Lines of the log that could not be written: a full disk, a closed pipe.',
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
    this.#lostLines.inc(lostLogLines() - this.#countedLines);
    this.#countedLines = lostLogLines();
    this.#residentBytes.set(process.memoryUsage.rss());
  }
}
