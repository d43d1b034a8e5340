/** What the record files of a user become, whatever their container and form. */
import type { ChatMessage } from '../models/index.js';

/** Where a sample came from. */
export interface SampleOrigin {
  /** As the caller named the file. */
  readonly file: string;
  /** From 1: the line where the record begins, or its number in containers without lines (parquet). */
  readonly line: number;
}

export interface TextSample {
  readonly kind: 'text';
  readonly text: string;
  readonly origin: SampleOrigin;
}

export interface DialogueSample {
  readonly kind: 'dialogue';
  /** Optionally a system message, then user and assistant in turns, an assistant message last. */
  readonly messages: readonly ChatMessage[];
  /** What the model may call, as OpenAI lists tools; read for chat templates only. */
  readonly tools?: readonly unknown[] | undefined;
  readonly origin: SampleOrigin;
}

export type Sample = TextSample | DialogueSample;

/** A record that was left out. */
export interface SkippedRecord extends SampleOrigin {
  /** One of few short names, to count by: "not valid JSON", "missing key", … */
  readonly reason: string;
  /** The message that would have stopped the reading; it names file and line. */
  readonly message: string;
}

/** All texts of a sample in order. */
export function sampleTexts(sample: Sample): readonly string[] {
  if (sample.kind === 'text') return [sample.text];
  const { messages, tools } = sample;
  const others = [...messages.map(({ more }) => more), tools].filter((value) => value !== undefined);
  return [...messages.map(({ content }) => content), ...others.map((value) => JSON.stringify(value))];
}

/** The sample with every text replaced; the sample itself where nothing changes. */
export function mapSampleTexts<S extends Sample>(sample: S, change: (text: string) => string): S;
export function mapSampleTexts(sample: Sample, change: (text: string) => string): Sample {
  if (sample.kind === 'text') {
    const text = change(sample.text);
    return text === sample.text ? sample : { ...sample, text };
  }
  let changed = false;
  const messages = sample.messages.map((message) => {
    const content = change(message.content);
    if (content === message.content) return message;
    changed = true;
    return { ...message, content };
  });
  return changed ? { ...sample, messages } : sample;
}

/** "file:line", as in every message. */
export function locationOf({ file, line }: SampleOrigin): string {
  return `${file}:${line}`;
}
