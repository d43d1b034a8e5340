/** Filters that make texts. */
import { type Filter, type FilterArguments, filter, ofText } from './filter.js';
import { percentFormat } from './formatting.js';
import { unmarked } from './given-marks.js';
import { capitalized, centred, replaced, strip } from './methods.js';
import { jsonText, representation, stringOf } from './printing.js';
import { defined, isText, itemsOf, lengthOf, SafeText, Tuple, type Value, wholeNumber } from './values.js';

const escapeHtml = filter('', (value) => (value instanceof SafeText ? value : escaped(stringOf(value))));

export const TEXT_FILTERS: Readonly<Record<string, Filter>> = {
  capitalize: ofText(capitalized),
  center: filter('width', (value, given) => centred(stringOf(value), given.whole('width', 80), ' ')),
  e: escapeHtml,
  escape: escapeHtml,
  forceescape: filter('', (value) => escaped(stringOf(value))),
  format: filter('*', (value, given) => {
    const argument = given.named.size > 0 ? new Map<Value, Value>(given.named) : new Tuple(given.positional);
    return percentFormat(stringOf(value), argument);
  }),
  indent: filter('width first blank', (value, given) => {
    const width = given.get('width');
    const space =
      width !== undefined && isText(width)
        ? stringOf(width)
        : ' '.repeat(Math.min(given.whole('width', 4), 10_000));
    const lines = stringOf(value).split('\n');
    const isBlank = given.isTrue('blank');
    return lines
      .map((line, index) =>
        (index === 0 ? given.isTrue('first') : isBlank || line !== '') ? space + line : line,
      )
      .join('\n');
  }),
  lower: ofText((text) => text.toLowerCase()),
  pprint: filter('', (value) => representation(value)),
  replace: filter('old new count', (value, given) =>
    replaced(
      stringOf(value),
      stringOf(given.get('old') ?? ''),
      stringOf(given.get('new') ?? ''),
      given.whole('count', -1),
    ),
  ),
  safe: filter('', (value) => new SafeText(stringOf(value))),
  string: filter('', (value) => (isText(value) ? value : stringOf(value))),
  striptags: ofText((text) =>
    unmarked(text)
      .replace(/<!--[\s\S]*?-->|<[^>]*>/g, '')
      .split(/\s+/)
      .filter((word) => word !== '')
      .join(' '),
  ),
  title: ofText((text) =>
    text
      .split(/([-\s({[<\ufdd1\ufddf]+)/u)
      .map((word) => capitalized(word))
      .join(''),
  ),
  tojson: filter('ensure_ascii indent separators sort_keys', (value, given) => {
    const indent = given.get('indent');
    const space =
      indent === undefined || indent === null
        ? undefined
        : isText(indent)
          ? stringOf(indent)
          : ' '.repeat(Math.min(Math.max(wholeNumber(indent, 'indent'), 0), 100));
    const separators = given.get('separators');
    const [between = '', colon = ''] =
      separators === undefined || separators === null
        ? [space === undefined ? ', ' : ',', ': ']
        : itemsOf(separators).map(stringOf);
    return jsonText(defined(value), {
      indent: space,
      separators: [between, colon],
      sortsKeys: given.isTrue('sort_keys'),
      isAscii: given.isTrue('ensure_ascii'),
    });
  }),
  trim: filter('chars', (value, given) => strip(stringOf(value), given.get('chars'), true, true)),
  truncate: filter('length killwords end leeway', (value, given) => truncated(stringOf(value), given)),
  upper: ofText((text) => text.toUpperCase()),
  urlencode: filter('', (value) => {
    if (value instanceof Map)
      return [...value]
        .map(([key, each]) => `${encoded(stringOf(key), '')}=${encoded(stringOf(each), '')}`)
        .join('&');
    return encoded(stringOf(value), '/');
  }),
  wordcount: filter('', (value) => (stringOf(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length),
};

function truncated(text: string, given: FilterArguments): string {
  const length = given.whole('length', 255);
  const end = given.text('end', '...');
  if (lengthOf(text) <= length + given.whole('leeway', 5)) return text;
  const kept = [...text].slice(0, Math.max(length - lengthOf(end), 0)).join('');
  if (given.isTrue('killwords')) return kept + end;
  const space = kept.lastIndexOf(' ');
  return (space < 0 ? kept : kept.slice(0, space)) + end;
}

function escaped(text: string): SafeText {
  const names: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return new SafeText(unmarked(text).replace(/[&<>"']/g, (each) => names[each] ?? each));
}

function encoded(text: string, kept: string): string {
  return encodeURIComponent(unmarked(text).replace(/\p{Cs}/gu, '\ufffd'))
    .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', kept === '/' ? '/' : '%2F');
}
