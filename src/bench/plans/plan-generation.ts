/** `xinghe bench decode` and `xinghe bench prompt`. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { FloatDType } from '../../tensor/index.js';
import type { BenchSession } from '../bench-session.js';
import type { Benchmark, Metric } from '../benchmark.js';
import type { Peer } from '../peers/peers.js';
import { commandSide, ownSide } from '../rounds/own-side.js';
import type { Side } from '../rounds/side.js';
import { type GenerationSettings, inventedPrompt } from '../subjects/generation-settings.js';
import {
  argumentsOf,
  type ChosenModel,
  chosenModel,
  chosenPeer,
  type ModelChoice,
  namedArchitecture,
  type PeerChoice,
  weightsNote,
} from './plan-options.js';

export interface GenerationPlanOptions extends ModelChoice, PeerChoice {
  /** Default: that of the weights. */
  readonly dtype?: FloatDType | undefined;
  readonly kvDType?: 'int8' | undefined;
  readonly sequences: number;
  readonly prompt: number;
  readonly new: number;
  readonly repetitions: number;
  readonly threads: number;
  /** The same weights for llama.cpp; default: the model converted. */
  readonly gguf?: string | undefined;
}

/** Tokens a second of sequences that have read their prompts. */
export async function planDecode(options: GenerationPlanOptions, session: BenchSession): Promise<Benchmark> {
  const { ours, peer, model, titleOf, settings, threads } = await bothSides('decode', options, session);
  return {
    subject: 'decode',
    title: titleOf('Decode'),
    settings,
    metrics: [
      { key: 'decodeTokensPerSecond', title: 'decode', unit: 'tokens/s', better: 'higher' },
      {
        key: 'weightGBPerSecond',
        title: 'weights read',
        unit: 'GB/s',
        better: 'higher',
        ours: true,
        limit: 'readBandwidth',
      },
      peakMemory,
    ],
    ours,
    peer,
    notes: [
      'Decode: tokens of all sequences together a second, from the first token of the last sequence on; without HTTP, greedy.',
      'Weights read: bytes of all weights that a step multiplies by, each once, a second. Keys and values are not counted.',
      ...weightsNote(model),
    ],
    threads,
  };
}

/** Tokens a second of prompts up to the first token. */
export async function planPrompt(options: GenerationPlanOptions, session: BenchSession): Promise<Benchmark> {
  const { ours, peer, model, titleOf, settings, threads, dtype } = await bothSides(
    'prompt',
    options,
    session,
  );
  return {
    subject: 'prompt',
    title: titleOf('Prompt'),
    settings,
    metrics: [
      { key: 'promptTokensPerSecond', title: 'prompt', unit: 'tokens/s', better: 'higher' },
      {
        key: 'promptGflops',
        title: 'products',
        unit: 'GFLOP/s',
        better: 'higher',
        ours: true,
        limit: dtype === 'float32' ? 'float32Products' : 'bfloat16Products',
      },
      peakMemory,
    ],
    ours,
    peer,
    notes: [
      'Prompt: tokens of all prompts together a second, up to the first token of the last one; without HTTP.',
      'Products: 2 operations for each weight that multiplies and token; those of attention are not counted.',
      ...weightsNote(model),
    ],
    threads,
  };
}

/** From the start of a process to the end of one that makes one token. */
export async function planFromStart(
  options: GenerationPlanOptions,
  session: BenchSession,
): Promise<Benchmark> {
  const { prompt, threads } = options;
  checkGguf(options);
  const peer = chosenPeer('prompt', options);
  const model = await chosenModel(options, 'bfloat16', session);
  const input = join(session.folder, 'ids.json');
  const { vocabSize } = (await namedArchitecture(model.path)).shape;
  writeFileSync(input, JSON.stringify({ input_ids: [inventedPrompt(vocabSize, 0, prompt)] }));
  return {
    subject: 'first-token',
    title: `From the start of a process to its first token, ${model.name}`,
    settings: { prompt, threads },
    metrics: [{ key: 'processSeconds', title: 'whole process', unit: 's', better: 'lower' }, peakMemory],
    ours: commandSide([
      ...['generate', '--model', model.path, '--input', input, '--max-new-tokens', '1', '--json'],
      ...['--threads', String(threads), ...(options.dtype === undefined ? [] : ['--dtype', options.dtype])],
    ]),
    peer: peer?.side([
      await peerModel(model, options, session),
      ...argumentsOf({ prompt, threads, 'first-token': true }),
    ]),
    notes: [
      'Each run is a new process: it opens the model out of the page cache, reads the prompt, makes one token and ends.',
      ...weightsNote(model),
    ],
    threads,
  };
}

/** A prompt that has run before, against the first time. */
export async function planCached(options: GenerationPlanOptions, session: BenchSession): Promise<Benchmark> {
  if (options.against !== undefined)
    throw new InputError('--cached compares two prompts of ours; leave --against out.');
  const model = await chosenModel(options, 'bfloat16', session);
  const settings = settingsOf(model, options);
  return {
    subject: 'cached-prompt',
    title: `First token of a prompt of ${options.prompt + 2} tokens, all but its end cached, ${model.name}`,
    settings: { prompt: options.prompt, repetitions: options.repetitions },
    metrics: [
      { key: 'againMs', title: 'cached', unit: 'ms', better: 'lower' },
      { key: 'firstMs', title: 'the first time', unit: 'ms', better: 'lower' },
    ],
    ours: ownSide('cached-prompt', settings),
    notes: [
      'Both in one process: a prompt, then one that differs from it in the last two tokens.',
      ...weightsNote(model),
    ],
    threads: options.threads,
  };
}

const peakMemory: Metric = {
  key: 'peakMemoryMiB',
  title: 'peak memory',
  unit: 'MiB',
  better: 'lower',
  optional: true,
};

interface BothSides {
  readonly ours: Side;
  readonly peer: Side | undefined;
  readonly model: ChosenModel;
  readonly titleOf: (what: string) => string;
  readonly settings: Benchmark['settings'];
  readonly threads: number;
  readonly dtype: string;
}

async function bothSides(
  subject: 'decode' | 'prompt',
  options: GenerationPlanOptions,
  session: BenchSession,
): Promise<BothSides> {
  const { sequences, prompt, new: newTokens, repetitions, threads, kvDType } = options;
  const peer = chosenPeer(subject, options);
  checkGguf(options);
  const model = await chosenModel(options, 'bfloat16', session);
  const dtype = options.dtype ?? (model.isRandom ? 'bfloat16' : 'dtype of the weights');
  return {
    ours: ownSide('generation', settingsOf(model, options)),
    peer: peer && (await peerSide(peer, model, options, session)),
    model,
    titleOf: (what) =>
      `${what}, ${model.name}, ${dtype}, ${sequences} ${sequences === 1 ? 'sequence' : 'sequences'} of ${prompt} + ${newTokens} tokens`,
    settings: {
      sequences,
      prompt,
      new: newTokens,
      repetitions,
      ...(kvDType !== undefined && { 'kv-dtype': kvDType }),
    },
    threads,
    dtype,
  };
}

function settingsOf(model: ChosenModel, options: GenerationPlanOptions): GenerationSettings {
  const { dtype, kvDType, sequences, prompt, new: newTokens, repetitions, threads } = options;
  return {
    model: model.path,
    dtype,
    kvDType,
    sequences,
    promptTokens: prompt,
    newTokens,
    repetitions,
    threads,
  };
}

/** As bench/peers/llama-cpp.mjs takes them. */
async function peerSide(
  peer: Peer,
  model: ChosenModel,
  options: GenerationPlanOptions,
  session: BenchSession,
): Promise<Side> {
  const { prompt, new: newTokens, threads, sequences, repetitions } = options;
  return peer.side([
    await peerModel(model, options, session),
    ...argumentsOf({ prompt, new: newTokens, threads, parallel: sequences, reps: repetitions }),
  ]);
}

/** @throws InputError for a file that nobody takes, or that is not there */
function checkGguf({ gguf, against }: GenerationPlanOptions): void {
  if (gguf === undefined) return;
  if (against === undefined) throw new InputError('--gguf is the model of a peer; give --against, too.');
  if (fileStatus(gguf)?.isFile() !== true) throw new InputError(`--gguf ${gguf}: there is no such file.`);
}

async function peerModel(
  model: ChosenModel,
  { gguf }: GenerationPlanOptions,
  session: BenchSession,
): Promise<string> {
  if (gguf !== undefined) return resolve(gguf);
  const to = join(session.folder, 'model.gguf');
  await session.make('make-gguf', { from: model.path, to });
  return to;
}
