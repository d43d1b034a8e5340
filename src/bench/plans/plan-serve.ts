/** `xinghe bench serve`: streams over HTTP beside the bare engine. */
import type { BenchSession } from '../bench-session.js';
import type { Benchmark } from '../benchmark.js';
import { ownSide } from '../rounds/own-side.js';
import type { ServeSettings } from '../subjects/serve.js';
import { argumentsOf, chosenModel, chosenPeer, type ModelChoice, type PeerChoice } from './plan-options.js';

export interface ServePlanOptions extends ModelChoice, PeerChoice {
  readonly streams: number;
  readonly prompt: number;
  readonly new: number;
  readonly repetitions: number;
  readonly threads: number;
}

export async function planServe(options: ServePlanOptions, session: BenchSession): Promise<Benchmark> {
  const { streams, prompt, new: newTokens, repetitions, threads } = options;
  const peer = chosenPeer('serve', options);
  const model = await chosenModel(options, 'float32', session);
  const settings: ServeSettings = {
    model: model.path,
    streams,
    promptTokens: prompt,
    newTokens,
    repetitions,
    threads,
  };
  const milliseconds = { unit: 'ms', better: 'lower' } as const;
  const memory = { unit: 'MiB', better: 'lower', optional: true } as const;
  return {
    subject: 'serve',
    title: `Serving ${streams} ${streams === 1 ? 'stream' : 'streams'} of ${prompt} + ${newTokens} tokens, ${model.name}`,
    settings: { streams, prompt, new: newTokens, repetitions },
    metrics: [
      { key: 'tokensPerSecond', title: 'over HTTP', unit: 'tokens/s', better: 'higher' },
      { key: 'bareTokensPerSecond', title: 'bare engine', unit: 'tokens/s', better: 'higher', ours: true },
      { key: 'shareOfBare', title: 'HTTP / bare engine', unit: 'share', better: 'higher', ours: true },
      { key: 'firstTokenP50', title: 'first token, half of the streams', ...milliseconds, optional: true },
      { key: 'firstTokenP90', title: 'first token, 90 %', ...milliseconds, optional: true },
      { key: 'firstTokenP99', title: 'first token, 99 %', ...milliseconds, optional: true },
      { key: 'memoryBeforeMiB', title: 'memory of the server after the first wave', ...memory },
      { key: 'memoryAfterMiB', title: 'memory of the server after the last wave', ...memory },
    ],
    ours: ownSide('serve', settings),
    peer: peer?.side(argumentsOf({ model: model.path, streams, prompt, new: newTokens, threads })),
    notes: [
      'All streams are opened at once and asked for the same as the bare engine, in turns with it; 64 sequences run together, the others wait.',
      'The bare engine runs in the process of the reader, with the same model, cache and number of threads, while the server waits; a wave of each warms up.',
      'Reader and server share the processor: what HTTP costs here includes the reading of all streams.',
      'Memory: resident, of the server and its engine together.',
    ],
    threads,
  };
}
