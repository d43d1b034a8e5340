/** Samples as blocks of gzip in base64, of bounded size whatever they hold: long texts are cut, and it is said where they are whole. */
import { gzipSync } from 'node:zlib';
import type { PageAnswer, PageSample } from './report-content.js';

export interface PackedSamples {
  readonly blocks: readonly string[];
  readonly cutAt: number | null;
  readonly cutTexts: number;
  readonly leftOut: number;
}

export interface PackOptions {
  /** Characters of base64 of all blocks together. */
  readonly most: number;
}

const IN_A_BLOCK = 400;
/** Tried in turn until all fits. */
const CUTS = [100_000, 20_000, 6_000, 2_000, 600, 200];

export function packSamples(samples: () => Iterable<PageSample>, { most }: PackOptions): PackedSamples {
  for (const cutAt of CUTS) {
    const packed = packCut(samples(), cutAt, most);
    if (packed.leftOut === 0 || cutAt === CUTS.at(-1)) return packed;
  }
  throw new RangeError('no length to cut at');
}

function packCut(samples: Iterable<PageSample>, cutAt: number, most: number): PackedSamples {
  const blocks: string[] = [];
  const isLast = cutAt === CUTS.at(-1);
  let [size, cutTexts, leftOut] = [0, 0, 0];
  let waiting: PageSample[] = [];
  const cut = (text: string): string => {
    if (text.length <= cutAt) return text;
    cutTexts += 1;
    return shortened(text, cutAt);
  };
  const flush = (): void => {
    if (waiting.length === 0) return;
    const block = gzipSync(JSON.stringify(waiting)).toString('base64');
    if (size + block.length > most) leftOut += waiting.length;
    else {
      size += block.length;
      blocks.push(block);
    }
    waiting = [];
  };
  for (const sample of samples) {
    // There is a shorter cut to try: no need to see the rest.
    if (leftOut > 0 && !isLast) break;
    waiting.push(withCutTexts(sample, cut));
    if (waiting.length === IN_A_BLOCK) flush();
  }
  flush();
  return { blocks, cutAt: cutTexts === 0 ? null : cutAt, cutTexts, leftOut };
}

/** Beginning and end: the question stands at the end of a prompt, an answer at the end of an output. */
function shortened(text: string, length: number): string {
  const head = Math.floor(length / 3);
  return `${text.slice(0, head)}\n[… ${text.length - length} …]\n${text.slice(text.length - (length - head))}`;
}

function withCutTexts(sample: PageSample, cut: (text: string) => string): PageSample {
  const cutAll = (value: string | readonly string[] | null): string | readonly string[] | null =>
    value === null ? null : typeof value === 'string' ? cut(value) : value.map(cut);
  const cutAnswer = (answer: PageAnswer): PageAnswer => ({
    ...answer,
    output: cutAll(answer.output),
    extracted: cutAll(answer.extracted),
    ...(answer.prompt !== undefined && { prompt: cut(answer.prompt) }),
  });
  return {
    ...sample,
    target: cutAll(sample.target),
    prompt: sample.prompt === null ? null : cut(sample.prompt),
    a: sample.a.map((answer) => (answer === null ? null : cutAnswer(answer))),
  };
}
