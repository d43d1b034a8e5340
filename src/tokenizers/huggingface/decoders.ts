/** Decoders of a tokenizer.json, as streams. */
import type { JsonFields } from '../json-fields.js';
import { TextReplacer } from '../replace-stream.js';
import { bytesOfToken } from './byte-alphabet.js';
import { compileReplace, readPattern, refuseDepth } from './normalizers.js';

/** One step of decoding, fed token by token; returns the parts that are certain by now. */
export interface DecoderStage {
  push(part: string): readonly string[];
  end(): readonly string[];
}

/** Makes the stages of one stream. */
export type CreateStages = () => DecoderStage[];

type CreateStage = () => DecoderStage;

const SUPPORTED = 'Sequence, ByteLevel, ByteFallback, Fuse, Metaspace, Replace and Strip';

/**
 * The stages of a `decoder` object. A step after Fuse sees one string where a step before it sees tokens.
 * Without a decoder, tokens are joined by spaces. Throws InputError naming a kind that we do not have.
 */
export function compileDecoder(fields: JsonFields | undefined): CreateStages {
  if (!fields) return () => [spaceJoiner()];
  const stages: CreateStage[] = [];
  let fused = false;
  for (const step of flatten(fields, 0)) {
    if (step.string('type') === 'Fuse') fused = true;
    else stages.push(compileStep(step, fused));
    if (step.string('type') === 'ByteLevel') fused = true;
  }
  return () => stages.map((create) => create());
}

function flatten(fields: JsonFields, depth: number): JsonFields[] {
  if (fields.string('type') !== 'Sequence') return [fields];
  refuseDepth(fields, depth);
  return fields.objects('decoders').flatMap((step) => flatten(step, depth + 1));
}

function compileStep(fields: JsonFields, fused: boolean): CreateStage {
  switch (fields.string('type')) {
    case 'ByteLevel':
      return fused ? buffered(textOfToken) : byteLevel;
    case 'ByteFallback':
      return fused ? buffered(byteFallbackOfWhole) : byteFallback;
    case 'Metaspace':
      return compileMetaspace(fields, fused);
    case 'Replace': {
      const replace = compileReplace(fields);
      if (!fused) return perToken(replace);
      const pattern = readPattern(fields);
      if (typeof pattern !== 'string') return buffered(replace);
      const content = fields.string('content');
      return pattern === '' ? perToken(replace) : () => replacer(new TextReplacer(pattern, content));
    }
    case 'Strip': {
      const content = fields.string('content');
      const start = fields.integer('start', 2 ** 31);
      const stop = fields.integer('stop', 2 ** 31);
      if ([...content].length !== 1) throw fields.mismatch('content', 'one character');
      if (!fused) return perToken((token) => stripEnds(token, content, start, stop));
      return () => wholeStrip(content, start, stop);
    }
    default:
      throw fields.unsupported('decoder', SUPPORTED);
  }
}

function perToken(map: (token: string) => string): CreateStage {
  return () => ({ push: (token) => [map(token)], end: () => [] });
}

/** For steps that need the whole text: nothing comes out before the end. */
function buffered(map: (text: string) => string): CreateStage {
  return () => {
    let text = '';
    return {
      push: (part) => {
        text += part;
        return [];
      },
      end: () => (text === '' ? [] : [map(text)]),
    };
  };
}

function spaceJoiner(): DecoderStage {
  let first = true;
  return {
    push: (token) => {
      const part = first ? token : ` ${token}`;
      first = false;
      return [part];
    },
    end: () => [],
  };
}

function byteLevel(): DecoderStage {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (token) => [decoder.decode(bytesOfToken(token), { stream: true })],
    end: () => [decoder.decode()],
  };
}

function textOfToken(text: string): string {
  return Buffer.from(bytesOfToken(text)).toString('utf8');
}

/**
 * A run of byte tokens becomes text if all of it is valid UTF-8, else one U+FFFD per byte: so nothing of a run is
 * certain before its end.
 */
function byteFallback(): DecoderStage {
  let bytes: number[] = [];
  const flush = (): string[] => {
    const run = Buffer.from(bytes);
    bytes = [];
    if (run.length === 0) return [];
    const text = run.toString('utf8');
    return [Buffer.from(text).equals(run) ? text : '\ufffd'.repeat(run.length)];
  };
  return {
    push: (token) => {
      const byte = byteOfToken(token);
      if (byte === undefined) return [...flush(), token];
      bytes.push(byte);
      return [];
    },
    end: flush,
  };
}

function byteFallbackOfWhole(text: string): string {
  const stage = byteFallback();
  return [...stage.push(text), ...stage.end()].join('');
}

/** As the reference reads it: either case of hexadecimal digits. */
function byteOfToken(token: string): number | undefined {
  return /^<0x[0-9A-Fa-f]{2}>$/.test(token) ? Number.parseInt(token.slice(3, 5), 16) : undefined;
}

function compileMetaspace(fields: JsonFields, fused: boolean): CreateStage {
  const mark = fields.string('replacement', '\u2581');
  const scheme = fields.string(
    'prepend_scheme',
    fields.boolean('add_prefix_space', true) ? 'always' : 'never',
  );
  const dropsFirst = scheme !== 'never';
  if (mark === '') throw fields.mismatch('replacement', 'one character');
  // As the reference does it, every mark of the first token goes, not only a leading one.
  const decodeToken = (token: string, isFirst: boolean) =>
    token.replaceAll(mark, isFirst && dropsFirst ? '' : ' ');
  if (fused) return buffered((text) => decodeToken(text, true));
  return () => {
    let first = true;
    return {
      push: (token) => {
        const part = decodeToken(token, first);
        first = false;
        return [part];
      },
      end: () => [],
    };
  };
}

function replacer(inner: TextReplacer): DecoderStage {
  return { push: (part) => [inner.push(part)], end: () => [inner.end()] };
}

function stripEnds(text: string, content: string, start: number, stop: number): string {
  let from = 0;
  for (let count = 0; count < start && text.startsWith(content, from); count++) from += content.length;
  let to = text.length;
  for (let count = 0; count < stop && to > from && text.endsWith(content, to); count++) to -= content.length;
  return text.slice(from, to);
}

/** Strips the whole text's ends as it passes: what may belong to the end is held back. */
function wholeStrip(content: string, start: number, stop: number): DecoderStage {
  let toStrip = start;
  let held = 0;
  return {
    push: (part) => {
      let from = 0;
      while (toStrip > 0 && part.startsWith(content, from)) {
        from += content.length;
        toStrip -= 1;
      }
      const body = part.slice(from);
      if (body === '') return [];
      toStrip = 0;
      if (stop === 0) return [body];
      let to = body.length;
      let trailing = 0;
      while (body.endsWith(content, to) && to > 0) {
        to -= content.length;
        trailing += 1;
      }
      if (to === 0) {
        held += trailing;
        return [];
      }
      const text = content.repeat(held) + body.slice(0, to);
      held = trailing;
      return [text];
    },
    end: () => [content.repeat(Math.max(0, held - stop))],
  };
}
