import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from '../../../tests/support/fake-engine.js';
import { createHttpServer, type HttpService } from '../http/index.js';
import { ObservedEngine } from './observed-engine.js';
import { metricsRoute, ServingMetrics } from './serving-metrics.js';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Exposition {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

/** The text format 0.0.4, strictly. @throws Error for a line that is none */
function parseExposition(text: string): Exposition {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  expect(text.endsWith('\n')).toBe(true);
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type !== null) {
      if (types.has(type[1] ?? '')) throw new Error(`two types: ${line}`);
      types.set(type[1] ?? '', type[2] ?? '');
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (-?[\d.eE+-]+|\+Inf|NaN)$/.exec(line);
    if (sample === null) throw new Error(`no sample: ${line}`);
    const labels: Record<string, string> = {};
    const inner = sample[2] ?? '';
    const rest = inner.replace(/([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/g, (_, name, value) => {
      labels[String(name)] = String(value);
      return '';
    });
    if (rest !== '') throw new Error(`no labels: ${line}`);
    samples.push({ name: sample[1] ?? '', labels, value: Number(sample[3]) });
  }
  return { types, samples };
}

const model = { model_name: 'tiny', engine: '0' };

async function read(metrics: ServingMetrics): Promise<Exposition> {
  return parseExposition(await metrics.text());
}

function sampleValue({ samples }: Exposition, name: string, labels: Record<string, string> = model): number {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  expect(found.map((sample) => sample.name)).toEqual([name]);
  return found[0]?.value ?? Number.NaN;
}

function create(engine: FakeEngine): ServingMetrics {
  return new ServingMetrics({ modelName: 'tiny', maxModelLength: 128, engine });
}

async function consume(events: AsyncIterable<unknown>): Promise<void> {
  for await (const event of events) void event;
}

describe('the exposition', () => {
  it.each([
    ['vllm:num_requests_running', 'gauge'],
    ['vllm:num_requests_waiting', 'gauge'],
    ['vllm:kv_cache_usage_perc', 'gauge'],
    ['vllm:prompt_tokens_total', 'counter'],
    ['vllm:generation_tokens_total', 'counter'],
    ['vllm:num_preemptions_total', 'counter'],
    ['vllm:prefix_cache_queries_total', 'counter'],
    ['vllm:prefix_cache_hits_total', 'counter'],
    ['vllm:spec_decode_num_draft_tokens_total', 'counter'],
    ['vllm:spec_decode_num_accepted_tokens_total', 'counter'],
    ['vllm:time_to_first_token_seconds', 'histogram'],
    ['vllm:inter_token_latency_seconds', 'histogram'],
    ['vllm:time_per_output_token_seconds', 'histogram'],
    ['vllm:e2e_request_latency_seconds', 'histogram'],
    ['vllm:request_queue_time_seconds', 'histogram'],
    ['vllm:request_prefill_time_seconds', 'histogram'],
    ['vllm:request_decode_time_seconds', 'histogram'],
    ['vllm:request_inference_time_seconds', 'histogram'],
    ['vllm:request_prompt_tokens', 'histogram'],
    ['vllm:request_generation_tokens', 'histogram'],
    ['vllm:request_max_num_generation_tokens', 'histogram'],
    ['vllm:request_params_n', 'histogram'],
    ['vllm:request_params_max_tokens', 'histogram'],
    ['vllm:iteration_tokens_total', 'histogram'],
  ])('has %s (%s) with 0 before the first request', async (name, type) => {
    const exposition = await read(create(new FakeEngine()));
    expect(exposition.types.get(name)).toBe(type);
    expect(sampleValue(exposition, type === 'histogram' ? `${name}_count` : name)).toBe(0);
  });

  it('has the process', async () => {
    const exposition = await read(create(new FakeEngine()));
    expect(sampleValue(exposition, 'process_resident_memory_bytes', {})).toBeGreaterThan(1e6);
    expect(sampleValue(exposition, 'process_cpu_seconds_total', {})).toBeGreaterThan(0);
    const start = sampleValue(exposition, 'process_start_time_seconds', {});
    expect(Math.abs(Date.now() / 1000 - start)).toBeLessThan(86400);
  });

  it('has the information series and every way to end', async () => {
    const exposition = await read(create(new FakeEngine()));
    expect(
      sampleValue(exposition, 'vllm:cache_config_info', {
        engine: '0',
        block_size: '16',
        num_gpu_blocks: '64',
      }),
    ).toBe(1);
    sampleValue(exposition, 'vllm:lora_requests_info', { running_lora_adapters: '' });
    for (const finished_reason of ['stop', 'length', 'abort', 'error'])
      expect(sampleValue(exposition, 'vllm:request_success_total', { ...model, finished_reason })).toBe(0);
  });

  it.each([
    [
      'vllm:time_to_first_token_seconds',
      '0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 20 40 80 160 640 2560 +Inf',
    ],
    [
      'vllm:inter_token_latency_seconds',
      '0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1 2.5 5 7.5 10 20 40 80 +Inf',
    ],
    [
      'vllm:e2e_request_latency_seconds',
      '0.3 0.5 0.8 1 1.5 2 2.5 5 10 15 20 30 40 50 60 120 240 480 960 1920 7680 +Inf',
    ],
    ['vllm:request_prompt_tokens', '1 2 5 10 20 50 100 +Inf'],
  ])('buckets of %s', async (name, buckets) => {
    const { samples } = await read(create(new FakeEngine()));
    const bounds = samples
      .filter((sample) => sample.name === `${name}_bucket`)
      .map(({ labels }) => labels.le);
    expect(bounds.join(' ')).toBe(buckets);
  });
});

describe('counters of the engine', () => {
  it('grow with it and never go back when it begins again', async () => {
    const engine = new FakeEngine();
    const metrics = create(engine);
    engine.statsOverride = { steps: 5, generatedTokens: 10, promptTokens: 7, stepTokens: [3, 20] };
    await read(metrics);
    engine.statsOverride = { steps: 6, generatedTokens: 12, promptTokens: 7, stepTokens: [1] };
    const before = await read(metrics);
    expect(sampleValue(before, 'vllm:generation_tokens_total')).toBe(12);
    expect(sampleValue(before, 'vllm:iteration_tokens_total_count')).toBe(3);
    expect(sampleValue(before, 'vllm:iteration_tokens_total_sum')).toBe(24);
    engine.statsOverride = { steps: 1, generatedTokens: 1, promptTokens: 9, stepTokens: [] };
    const after = await read(metrics);
    expect(sampleValue(after, 'vllm:generation_tokens_total')).toBe(13);
    expect(sampleValue(after, 'vllm:prompt_tokens_total')).toBe(16);
  });

  it('prompt tokens are whole prompts, cached or not, as vLLM counts', async () => {
    const engine = new FakeEngine();
    const metrics = create(engine);
    engine.statsOverride = { promptTokens: 18, prefixCacheQueries: 34, prefixCacheHits: 16 };
    const exposition = await read(metrics);
    expect(sampleValue(exposition, 'vllm:prompt_tokens_total')).toBe(34);
    expect(sampleValue(exposition, 'vllm:prefix_cache_hits_total')).toBe(16);
  });

  it('gauges follow', async () => {
    const engine = new FakeEngine();
    const metrics = create(engine);
    engine.statsOverride = { running: 3, waiting: 2, blocks: 64, freeBlocks: 16 };
    await engine.loadAdapter({ name: 'poet', path: 'x' });
    const exposition = await read(metrics);
    expect(sampleValue(exposition, 'vllm:num_requests_running')).toBe(3);
    expect(sampleValue(exposition, 'vllm:num_requests_waiting')).toBe(2);
    expect(sampleValue(exposition, 'vllm:kv_cache_usage_perc')).toBe(0.75);
    sampleValue(exposition, 'vllm:lora_requests_info', { running_lora_adapters: 'poet', max_lora: '1' });
  });
});

describe('sequences', () => {
  it('are measured from the events that pass', async () => {
    const inner = new FakeEngine();
    const metrics = create(inner);
    const engine = new ObservedEngine(inner, metrics.observe);
    await consume(engine.generate({ promptIds: [1, 2, 3], maxNewTokens: 10 }));
    await consume(engine.generate({ promptIds: [1, 2, 3], maxNewTokens: 2 }));
    const exposition = await read(metrics);
    const success = (finished_reason: string): number =>
      sampleValue(exposition, 'vllm:request_success_total', { ...model, finished_reason });
    expect([success('stop'), success('length'), success('abort')]).toEqual([1, 1, 0]);
    expect(sampleValue(exposition, 'vllm:time_to_first_token_seconds_count')).toBe(2);
    expect(sampleValue(exposition, 'vllm:inter_token_latency_seconds_count')).toBe(4 + 1);
    expect(sampleValue(exposition, 'vllm:request_generation_tokens_sum')).toBe(5 + 2);
    expect(sampleValue(exposition, 'vllm:request_prompt_tokens_sum')).toBe(6);
    expect(sampleValue(exposition, 'vllm:request_params_max_tokens_sum')).toBe(12);
    expect(sampleValue(exposition, 'vllm:request_inference_time_seconds_sum')).toBeCloseTo(0.01, 9);
    expect(sampleValue(exposition, 'vllm:generation_tokens_total')).toBe(7);
  });

  it.each(['left', 'aborted', 'aborted before the first event', 'failed'])('%s', async (how) => {
    const inner = new FakeEngine({ tokenDelay: 1 });
    const metrics = create(inner);
    const engine = new ObservedEngine(inner, metrics.observe);
    const controller = new AbortController();
    if (how === 'failed') inner.failNext = { error: new Error('died'), afterEvents: 1 };
    const events = engine.generate({ promptIds: [1], maxNewTokens: 10 }, controller.signal);
    if (how === 'aborted before the first event') controller.abort();
    else
      try {
        for await (const event of events) {
          void event;
          if (how === 'left') break;
          if (how === 'aborted') controller.abort();
        }
      } catch (error) {
        expect(how).toBe('failed');
        expect(error).toHaveProperty('message', 'died');
      }
    await sleep(5);
    expect(inner.running).toBe(0);
    const exposition = await read(metrics);
    const finished_reason = how === 'failed' ? 'error' : 'abort';
    expect(sampleValue(exposition, 'vllm:request_success_total', { ...model, finished_reason })).toBe(1);
    expect(sampleValue(exposition, 'vllm:e2e_request_latency_seconds_count')).toBe(1);
    expect(sampleValue(exposition, 'vllm:request_decode_time_seconds_count')).toBe(0);
  });
});

describe('HTTP', () => {
  let service: HttpService | undefined;
  afterEach(async () => service?.close());

  it('requests are counted by route, not by path', async () => {
    const metrics = create(new FakeEngine());
    service = createHttpServer([metricsRoute(metrics, 'open')], {
      port: 0,
      accessLog: null,
      observer: metrics,
    });
    await service.listen();
    for (const path of ['/metrics', '/a', '/b']) await (await fetch(`${service.url}${path}`)).arrayBuffer();
    const response = await fetch(`${service.url}/metrics`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const exposition = parseExposition(await response.text());
    const count = (handler: string, status: string): number =>
      sampleValue(exposition, 'http_requests_total', { handler, method: 'GET', status });
    expect([count('/metrics', '200'), count('none', '404')]).toEqual([1, 2]);
    expect(
      sampleValue(exposition, 'http_request_duration_seconds_count', { handler: '/metrics', method: 'GET' }),
    ).toBe(1);
  });
});
