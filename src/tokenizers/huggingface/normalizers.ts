/** Normalizers of a tokenizer.json. */
import { InputError } from '../../errors/index.js';
import type { JsonFields } from '../json-fields.js';
import { compileOniguruma } from './oniguruma-pattern.js';

export type NormalizeText = (text: string) => string;

const SUPPORTED = 'Sequence, NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, StripAccents and Strip';

/** The function of a `normalizer` object. Throws InputError naming a kind that we do not have. */
export function compileNormalizer(fields: JsonFields, depth = 0): NormalizeText {
  const type = fields.string('type');
  switch (type) {
    case 'Sequence': {
      refuseDepth(fields, depth);
      const steps = fields.objects('normalizers').map((step) => compileNormalizer(step, depth + 1));
      return (text) => steps.reduce((current, step) => step(current), text);
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (text) => text.normalize(type);
    case 'Prepend': {
      const prefix = fields.string('prepend');
      return (text) => (text === '' ? '' : prefix + text);
    }
    case 'Replace':
      return compileReplace(fields);
    case 'Lowercase':
      // Character by character: the whole string's lower case knows a final sigma, the reference does not.
      return (text) => text.replace(/\P{ASCII}|[A-Z]/gu, (character) => character.toLowerCase());
    case 'StripAccents':
      return (text) => text.replace(/\p{M}/gu, '');
    case 'Strip': {
      const left = fields.boolean('strip_left', true) ? /^\p{White_Space}+/u : undefined;
      const right = fields.boolean('strip_right', true) ? /\p{White_Space}+$/u : undefined;
      return (text) => {
        const trimmed = left ? text.replace(left, '') : text;
        return right ? trimmed.replace(right, '') : trimmed;
      };
    }
    default:
      throw fields.unsupported('normalizer', SUPPORTED);
  }
}

/** The function of a Replace object, in a normalizer or a decoder. */
export function compileReplace(fields: JsonFields): NormalizeText {
  const content = fields.string('content');
  const pattern = readPattern(fields);
  if (typeof pattern === 'string') {
    return pattern === '' ? (text) => text : (text) => text.replaceAll(pattern, () => content);
  }
  return (text) => text.replace(pattern, () => content);
}

/** A `pattern` object: a literal string or a compiled regular expression. */
export function readPattern(fields: JsonFields): string | RegExp {
  const pattern = fields.object('pattern');
  if (pattern.has('Regex')) return compileOniguruma(pattern.string('Regex'), fields.at('pattern'));
  return pattern.string('String');
}

/** Components may nest; a file that nests them without end must not end in a stack overflow. */
export function refuseDepth(fields: JsonFields, depth: number): void {
  if (depth > 20) throw new InputError(`${fields.source}: sequences are nested more than 20 deep.`);
}
