/**
 * The metrics of a server under vLLM's names and labels, so that existing boards work: of the engine (its counters and
 * gauges, read when asked for), of its sequences (told by an ObservedEngine), of HTTP.
 */
import { Counter, type CounterConfiguration, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineService } from '../engine-service.js';
import type { HttpObserver, HttpRequestRecord, Route } from '../http/index.js';
import { CHOICES, HTTP_SECONDS, STEP_TOKENS } from './buckets.js';
import { CounterDeltas, type CounterName } from './counter-deltas.js';
import { ProcessMetrics } from './process-metrics.js';
import type { ObservedReason, RequestObserver } from './request-observer.js';
import { type ModelLabel, type SequenceHistograms, sequenceHistograms } from './sequence-histograms.js';

export interface ServingMetricsOptions {
  /** The label model_name. */
  readonly modelName: string;
  /** Where the buckets of token counts end. */
  readonly maxModelLength: number;
  /** Asked for its stats when the metrics are. Nobody else may take `stepTokens`. */
  readonly engine: Pick<EngineService, 'stats' | 'adapters'>;
  /** Further labels of vllm:cache_config_info, e.g. cache_dtype. */
  readonly cacheConfig?: Readonly<Record<string, string>> | undefined;
}

const counterTexts: Readonly<Record<CounterName, readonly [name: string, help: string]>> = {
  promptTokens: ['vllm:prompt_tokens_total', 'Prompt tokens taken in, those of the prefix cache among them.'],
  generatedTokens: ['vllm:generation_tokens_total', 'Tokens generated.'],
  preemptions: ['vllm:num_preemptions_total', 'Sequences put back for want of cache blocks.'],
  prefixCacheQueries: ['vllm:prefix_cache_queries_total', 'Prompt tokens looked up in the prefix cache.'],
  prefixCacheHits: ['vllm:prefix_cache_hits_total', 'Prompt tokens found in the prefix cache.'],
  draftTokens: ['vllm:spec_decode_num_draft_tokens_total', 'Tokens drafted.'],
  acceptedDraftTokens: ['vllm:spec_decode_num_accepted_tokens_total', 'Drafted tokens that were accepted.'],
};

/** Tokens; the engine's only one. */
const BLOCK_SIZE = '16';

const reasons: readonly ObservedReason[] = ['stop', 'length', 'abort', 'error'];

export class ServingMetrics implements HttpObserver {
  readonly #registry = new Registry();
  readonly #labels: Readonly<Record<ModelLabel, string>>;
  readonly #engine: ServingMetricsOptions['engine'];
  readonly #deltas = new CounterDeltas();
  readonly #counters: ReadonlyMap<CounterName, Counter<ModelLabel>>;
  readonly #running: Gauge<ModelLabel>;
  readonly #waiting: Gauge<ModelLabel>;
  readonly #cacheUsage: Gauge<ModelLabel>;
  readonly #liveTensors: Gauge<ModelLabel>;
  readonly #cacheInfo: Gauge;
  readonly #cacheConfig: Readonly<Record<string, string>>;
  readonly #adapters: Gauge<'max_lora' | 'running_lora_adapters' | 'waiting_lora_adapters'>;
  readonly #success: Counter<ModelLabel | 'finished_reason'>;
  readonly #stepTokens: Histogram<ModelLabel>;
  readonly #sequence: SequenceHistograms;
  readonly #paramsN: Histogram<ModelLabel>;
  readonly #httpRequests: Counter<'handler' | 'method' | 'status'>;
  readonly #httpSeconds: Histogram<'handler' | 'method'>;
  readonly #process: ProcessMetrics;

  constructor({ modelName, maxModelLength, engine, cacheConfig = {} }: ServingMetricsOptions) {
    this.#labels = { model_name: modelName, engine: '0' };
    this.#engine = engine;
    this.#counters = new Map(
      Object.entries(counterTexts).map(([key, [name, help]]) => [
        key as CounterName,
        this.#counter(name, help),
      ]),
    );
    this.#running = this.#gauge('vllm:num_requests_running', 'Sequences in the running batch.');
    this.#waiting = this.#gauge('vllm:num_requests_waiting', 'Sequences that wait for a place.');
    this.#cacheUsage = this.#gauge('vllm:kv_cache_usage_perc', 'Share of cache blocks in use; 1 is all.');
    this.#liveTensors = this.#gauge('xinghe:live_tensors', 'Tensors in the engine; constant between loads.');
    this.#adapters = new Gauge({
      name: 'vllm:lora_requests_info',
      help: 'Loaded LoRA adapters; the value is the time.',
      labelNames: ['max_lora', 'running_lora_adapters', 'waiting_lora_adapters'],
      registers: [this.#registry],
    });
    this.#cacheConfig = cacheConfig;
    this.#cacheInfo = new Gauge({
      name: 'vllm:cache_config_info',
      help: 'The cache of keys and values; the value is 1.',
      labelNames: ['engine', 'block_size', 'num_gpu_blocks', ...Object.keys(cacheConfig)],
      registers: [this.#registry],
    });
    this.#success = new Counter({
      name: 'vllm:request_success_total',
      help: 'Sequences that ended, by how.',
      labelNames: ['model_name', 'engine', 'finished_reason'],
      registers: [this.#registry],
    });
    for (const finished_reason of reasons) this.#success.inc({ ...this.#labels, finished_reason }, 0);
    this.#stepTokens = this.#histogram('vllm:iteration_tokens_total', 'Tokens of a step.', STEP_TOKENS);
    this.#sequence = sequenceHistograms(
      (name, help, buckets) => this.#histogram(name, help, buckets),
      maxModelLength,
    );
    this.#paramsN = this.#histogram('vllm:request_params_n', 'Choices asked for.', CHOICES);
    this.#httpRequests = new Counter({
      name: 'http_requests_total',
      help: 'HTTP requests by route, method and status.',
      labelNames: ['handler', 'method', 'status'],
      registers: [this.#registry],
    });
    this.#httpSeconds = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['handler', 'method'],
      buckets: HTTP_SECONDS,
      registers: [this.#registry],
    });
    this.#process = new ProcessMetrics(this.#registry);
  }

  /** One for every sequence that the engine took. */
  readonly observe = (): RequestObserver => {
    const labels = this.#labels;
    const sequence = this.#sequence;
    let generated = 0;
    return {
      firstToken: (seconds) => {
        generated = 1;
        sequence.firstToken.observe(labels, seconds);
      },
      tokens: (count, gapSeconds) => {
        generated += count;
        sequence.interToken.observe(labels, gapSeconds);
        sequence.perToken.observe(labels, gapSeconds);
      },
      refused: () => undefined,
      finished: (reason, end, { maxTokens, promptTokens }, seconds) => {
        this.#success.inc({ ...labels, finished_reason: reason });
        sequence.latency.observe(labels, seconds);
        sequence.maxTokens.observe(labels, maxTokens);
        sequence.promptTokens.observe(labels, promptTokens);
        const total = end?.generatedTokens ?? generated;
        sequence.generatedTokens.observe(labels, total);
        sequence.mostGeneratedTokens.observe(labels, total);
        if (end === undefined) return;
        sequence.queue.observe(labels, end.queueMs / 1000);
        sequence.prefill.observe(labels, end.prefillMs / 1000);
        sequence.decode.observe(labels, end.decodeMs / 1000);
        sequence.inference.observe(labels, (end.prefillMs + end.decodeMs) / 1000);
        if (total > 1) sequence.meanPerToken.observe(labels, end.decodeMs / 1000 / (total - 1));
      },
    };
  };

  /** An API request was accepted. @param choices its `n` */
  requested(choices: number): void {
    this.#paramsN.observe(this.#labels, choices);
  }

  httpRequest({ handler, method, status, seconds }: HttpRequestRecord): void {
    this.#httpRequests.inc({ handler, method, status: String(status) });
    this.#httpSeconds.observe({ handler, method }, seconds);
  }

  /** The exposition, in Prometheus' text format 0.0.4. */
  async text(): Promise<string> {
    this.#readEngine();
    this.#process.update();
    return await this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #readEngine(): void {
    const { stats, adapters } = this.#engine;
    for (const [name, growth] of this.#deltas.take(stats)) {
      this.#counters.get(name)?.inc(this.#labels, growth);
      // The engine counts the prompt tokens that it ran; vLLM's counter has those found in the cache as well.
      if (name === 'prefixCacheHits') this.#counters.get('promptTokens')?.inc(this.#labels, growth);
    }
    this.#running.set(this.#labels, stats.running);
    this.#waiting.set(this.#labels, stats.waiting);
    this.#cacheUsage.set(this.#labels, stats.blocks > 0 ? 1 - stats.freeBlocks / stats.blocks : 0);
    this.#liveTensors.set(this.#labels, stats.liveTensors);
    for (const tokens of stats.stepTokens) this.#stepTokens.observe(this.#labels, tokens);
    this.#cacheInfo.reset();
    this.#cacheInfo.set(
      { engine: '0', block_size: BLOCK_SIZE, num_gpu_blocks: String(stats.blocks), ...this.#cacheConfig },
      1,
    );
    this.#adapters.reset();
    this.#adapters.set(
      {
        max_lora: String(adapters.length),
        running_lora_adapters: adapters.map(({ name }) => name).join(','),
        waiting_lora_adapters: '',
      },
      Date.now() / 1000,
    );
  }

  #counter(name: string, help: string): Counter<ModelLabel> {
    const configuration: CounterConfiguration<ModelLabel> = {
      name,
      help,
      labelNames: ['model_name', 'engine'],
    };
    const counter = new Counter({ ...configuration, registers: [this.#registry] });
    counter.inc(this.#labels, 0);
    return counter;
  }

  #gauge(name: string, help: string): Gauge<ModelLabel> {
    return new Gauge({ name, help, labelNames: ['model_name', 'engine'], registers: [this.#registry] });
  }

  #histogram(name: string, help: string, buckets: readonly number[]): Histogram<ModelLabel> {
    const histogram = new Histogram({
      name,
      help,
      buckets: [...buckets],
      labelNames: ['model_name', 'engine'],
      registers: [this.#registry],
    });
    // Boards show 0 from the start, where there would be no series at all.
    histogram.zero(this.#labels);
    return histogram;
  }
}

/** @param access `open` for a Prometheus that has no key */
export function metricsRoute(metrics: ServingMetrics, access: 'open' | 'key' = 'key'): Route {
  return {
    method: 'GET',
    path: '/metrics',
    access,
    body: 'none',
    docs: {
      summary: "Metrics in Prometheus' text format, under vLLM's names",
      tag: 'Operation',
      contentType: 'text/plain',
    },
    handler: async (_, reply) =>
      reply.text(200, await metrics.text(), {
        'content-type': metrics.contentType,
        'cache-control': 'no-store',
      }),
  };
}
