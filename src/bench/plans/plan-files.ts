/** `xinghe bench convert` and `xinghe bench data`: whole processes that read and write files. */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { BenchSession } from '../bench-session.js';
import type { Benchmark } from '../benchmark.js';
import { ownSide } from '../rounds/own-side.js';
import type { Conversion } from '../subjects/conversions.js';
import { argumentsOf, chosenModel, chosenPeer, type ModelChoice, type PeerChoice } from './plan-options.js';
import { chosenTexts } from './plan-tokenizer.js';

export interface ConvertPlanOptions extends ModelChoice, PeerChoice {
  readonly dtype: 'bfloat16' | 'float32';
  readonly conversion: Conversion;
}

export async function planConvert(options: ConvertPlanOptions, session: BenchSession): Promise<Benchmark> {
  const { conversion, dtype } = options;
  const peer = chosenPeer('convert', options);
  const model = await chosenModel(options, dtype, session);
  const inside = join(model.path, 'model.safetensors');
  const file = fileStatus(inside)?.isFile() === true ? inside : model.path;
  if (fileStatus(file)?.isFile() !== true)
    throw new InputError(
      `--model ${model.path}: bench convert takes one file, or a folder with model.safetensors.`,
    );
  const megabytes = statSync(file).size / 1e6;
  const [own, other] = ['ours', 'theirs'].map((name) => outputOf(session, name, conversion));
  if (own === undefined || other === undefined) throw new TypeError('two sides');
  return {
    subject: `convert-${conversion}`,
    title: `Conversion to ${NAMES[conversion]}, ${model.name}${model.isRandom ? `, ${dtype}` : ''}, ${Number(megabytes.toPrecision(3))} MB`,
    settings: { to: conversion, megabytes: Number(megabytes.toPrecision(3)) },
    metrics: [
      { key: 'megabytesPerSecond', title: 'speed', unit: 'MB/s of the source', better: 'higher' },
      { key: 'processSeconds', title: 'whole process', unit: 's', better: 'lower' },
      { key: 'peakMemoryMiB', title: 'peak memory', unit: 'MiB', better: 'lower', optional: true },
    ],
    ours: ownSide('convert', { from: file, to: own, conversion }, { prepare: () => removed(own) }),
    peer: peer?.side(argumentsOf({ from: file, to: other, conversion }), {
      prepare: () => {
        removed(other);
        if (conversion === 'ranks') mkdirSync(other);
      },
    }),
    perProcess: { megabytesPerSecond: megabytes },
    notes: [
      'Whole processes, imports included. Ours writes, reads back and compares every tensor; the script for safetensors loads and saves.',
      'The source lies in the page cache, and what is written need not have reached the disk.',
    ],
  };
}

const NAMES: Readonly<Record<Conversion, string>> = {
  safetensors: 'safetensors, unchanged',
  bfloat16: 'bfloat16 safetensors',
  float32: 'float32 safetensors',
  bin: 'a torch .bin',
  ranks: 'four model-parallel ranks',
};

function outputOf({ folder }: BenchSession, name: string, conversion: Conversion): string {
  const ending = conversion === 'ranks' ? '' : conversion === 'bin' ? '.bin' : '.safetensors';
  return join(folder, `${name}${ending}`);
}

function removed(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

export interface DataPlanOptions extends PeerChoice {
  /** Alpaca's or TeleChat's keys, one record a line; undefined: of the demo's invented world. */
  readonly input?: string | undefined;
  readonly tokenizer?: string | undefined;
  readonly megabytes: number;
  readonly seqLength: number;
  readonly workers: number;
}

export async function planData(options: DataPlanOptions, session: BenchSession): Promise<Benchmark> {
  const { megabytes, seqLength, workers, input: from } = options;
  const peer = chosenPeer('data', options);
  if (from !== undefined && fileStatus(from)?.isFile() !== true)
    throw new InputError(`--input ${from}: there is no such file.`);
  const input = join(session.folder, 'records.jsonl');
  const made = await session.make('make-records', { from, to: input, bytes: megabytes * 1e6 });
  const tokenizer =
    options.tokenizer === undefined ? await madeTokenizer(session) : resolve(options.tokenizer);
  const [own, other] = [join(session.folder, 'ours'), join(session.folder, 'theirs')];
  const size = Number(made.bytes) / 1e6;
  return {
    subject: 'data',
    title: `Alpaca records to packed rows, ${Number(size.toPrecision(2))} MB, ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
    settings: {
      megabytes: Number(size.toPrecision(3)),
      records: Number(made.records),
      'row length': seqLength + 1,
      workers,
    },
    metrics: [
      { key: 'megabytesPerSecond', title: 'speed', unit: 'MB/s of records', better: 'higher' },
      { key: 'recordsPerSecond', title: 'records', unit: 'a second', better: 'higher' },
      { key: 'processSeconds', title: 'whole process', unit: 's', better: 'lower' },
    ],
    agreements: [{ key: 'rows', title: 'number of rows' }],
    ours: ownSide(
      'data',
      { input, tokenizer, output: own, seqLength, workers },
      { prepare: () => removed(own) },
    ),
    peer: peer?.side(argumentsOf({ input, tokenizer, 'row-length': seqLength + 1, workers, output: other }), {
      prepare: () => removed(other),
    }),
    perProcess: { megabytesPerSecond: size, recordsPerSecond: Number(made.records) },
    notes: [
      'Whole processes, imports included: records read, encoded by the recipe xverse-sft, the question masked, packed greedily, rows on disk.',
      from === undefined
        ? "Records: of the demo's invented world, each with a number of its own."
        : `Records: of ${basename(from)}, repeated, each with a number of its own.`,
    ],
  };
}

async function madeTokenizer(session: BenchSession): Promise<string> {
  const texts = await chosenTexts({ input: [], megabytes: 1 }, session);
  const output = join(session.folder, 'tokenizer.json');
  await session.make('make-tokenizer', {
    type: 'byte-level-bpe',
    input: texts.path,
    output,
    vocabSize: 4000,
  });
  return output;
}
