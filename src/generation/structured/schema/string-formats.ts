/** Formats of JSON Schema as patterns, and which formats say nothing about the text itself. What matches is always of the format. */

const YEAR = '\\d{4}';
/** Days by month; 29 February in leap years. */
const DATE =
  `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))` +
  '|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+\\-](?:[01]\\d|2[0-3]):[0-5]\\d)';
/** As RFC 3339, appendix A has it: no unit is left out between two others. */
const DURATION_TIME = 'T(?:\\d+H(?:\\d+M(?:\\d+S)?)?|\\d+M(?:\\d+S)?|\\d+S)';
const DURATION_DATE = '(?:\\d+Y(?:\\d+M(?:\\d+D)?)?|\\d+M(?:\\d+D)?|\\d+D)';
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = `(?:${OCTET}\\.){3}${OCTET}`;
const HEX = '[0-9a-fA-F]';
const GROUP = `${HEX}{1,4}`;
const IPV6 = ipv6();
/** Up to 63 characters, of which the third and fourth are not both dashes: those are names in another spelling. */
const LABEL = label('[a-zA-Z0-9]', '[a-zA-Z0-9\\-]');
const ATOM = "[a-zA-Z0-9!#$%&'*+\\-/=?^_`\\{|\\}~]+";
const POINTER = '(?:/(?:[^~/]|~[01])*)*';
/** Beyond ASCII, in IRIs. */
const UCS =
  '\\u00a0-\\ud7ff\\uf900-\\ufdcf\\ufdf0-\\uffef' +
  Array.from({ length: 14 }, (_, plane) => {
    const first = plane === 13 ? 'e1000' : `${(plane + 1).toString(16)}0000`;
    return `\\u{${first}}-\\u{${(plane + 1).toString(16)}fffd}`;
  }).join('');
const PRIVATE = '\\ue000-\\uf8ff\\u{f0000}-\\u{ffffd}\\u{100000}-\\u{10fffd}';

/** By name; the whole text must match. */
export const STRING_FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', TIME],
  ['date-time', `${DATE}[Tt]${TIME}`],
  ['duration', `P(?:${DURATION_DATE}(?:${DURATION_TIME})?|${DURATION_TIME}|\\d+W)`],
  ['email', `${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.)+${LABEL}`],
  ['hostname', `(?=.{1,253}$)(?:${LABEL}\\.)*${LABEL}`],
  ['ipv4', IPV4],
  ['ipv6', IPV6],
  ['uri', uri('', '')],
  ['uri-reference', uriReference('', '')],
  ['iri', uri(UCS, PRIVATE)],
  ['iri-reference', uriReference(UCS, PRIVATE)],
  ['uuid', uuid('[0-9a-fA-F]', HEX)],
  ...[1, 3, 4, 5, 6, 7, 8].map((version): [string, string] => [
    `uuid${version}`,
    uuid(String(version), '[89abAB]'),
  ]),
  ['json-pointer', POINTER],
  ['relative-json-pointer', `(?:0|[1-9]\\d*)(?:#|${POINTER})`],
  ['byte', base64('[0-9A-Za-z+/]', '==', '=')],
  ['base64', base64('[0-9A-Za-z+/]', '==', '=')],
  ['base64url', base64('[0-9A-Za-z_\\-]', '(?:==)?', '=?')],
  ['ipvanyaddress', `(?:${IPV4}|${IPV6})`],
  ['ipv4interface', `${IPV4}(?:/(?:3[0-2]|[12]?\\d))?`],
  ['ipv6interface', `${IPV6}(?:/(?:12[0-8]|1[01]\\d|[1-9]?\\d))?`],
]);

/** They say what a text is for, not how it reads. */
export const FREE_FORMATS: ReadonlySet<string> = new Set([
  'password',
  'binary',
  'path',
  'file-path',
  'directory-path',
]);

const PATTERN_FORMATS = new Set(
  (
    'emoji nanoid guid cuid cuid2 ulid xid ksuid e164 cidrv4 cidrv6 mac hex ' +
    'starts_with ends_with includes lowercase uppercase'
  ).split(' '),
);

/** Names that zod writes beside the pattern that says all of it. */
export function isNameOfPattern(format: string): boolean {
  return (
    PATTERN_FORMATS.has(format) || /^(?:md5|sha1|sha256|sha384|sha512)_(?:hex|base64|base64url)$/.test(format)
  );
}

/** Of OpenAPI, for numbers. Undefined bounds: it says nothing about the value. */
export const NUMBER_FORMATS: ReadonlyMap<string, { readonly min: number; readonly max: number } | undefined> =
  new Map([
    ['int8', { min: -(2 ** 7), max: 2 ** 7 - 1 }],
    ['int16', { min: -(2 ** 15), max: 2 ** 15 - 1 }],
    ['int32', { min: -(2 ** 31), max: 2 ** 31 - 1 }],
    ['int64', { min: -(2 ** 63), max: 2 ** 63 }],
    ['uint8', { min: 0, max: 2 ** 8 - 1 }],
    ['uint16', { min: 0, max: 2 ** 16 - 1 }],
    ['uint32', { min: 0, max: 2 ** 32 - 1 }],
    ['uint64', { min: 0, max: 2 ** 64 }],
    ['float', undefined],
    ['double', undefined],
  ]);

function label(end: string, any: string): string {
  return `${end}(?:${any}?${end}|${any}${any}${end}|${any}(?:${end}${any}|-${end})${any}{0,58}${end})?`;
}

function uuid(version: string, variant: string): string {
  return `${HEX}{8}-${HEX}{4}-${version}${HEX}{3}-${variant}${HEX}{3}-${HEX}{12}`;
}

function base64(digit: string, two: string, one: string): string {
  return `(?:${digit}{4})*(?:${digit}{2}${two}|${digit}{3}${one})?`;
}

/** Eight groups, of which a row of zeros may be "::" once and the last two may be an IPv4 address. */
function ipv6(): string {
  const options = [`(?:${GROUP}:){7}${GROUP}`, `(?:${GROUP}:){6}${IPV4}`];
  for (let before = 0; before <= 7; before++) {
    const head = before === 0 ? ':' : `(?:${GROUP}:){${before}}`;
    if (before < 7) options.push(`${head}(?::${GROUP}){1,${7 - before}}`);
    if (before <= 5) options.push(`${head}:(?:${GROUP}:){0,${5 - before}}${IPV4}`);
    options.push(`${head}:`);
  }
  return `(?:${options.join('|')})`;
}

function uri(ucs: string, privates: string): string {
  return `[a-zA-Z][a-zA-Z0-9+\\-.]*:${afterScheme(ucs, segment(ucs, ':'))}${tail(ucs, privates)}`;
}

function uriReference(ucs: string, privates: string): string {
  return `(?:${uri(ucs, privates)}|(?:${afterScheme(ucs, segment(ucs, ''))})?${tail(ucs, privates)})`;
}

/** RFC 3986, hier-part, not empty; @param first one character of the first segment of a path without a slash */
function afterScheme(ucs: string, first: string): string {
  const character = segment(ucs, ':');
  const authority = `(?:${part(`${ucs}:`)}*@)?(?:\\[(?:${IPV6}|[vV]${HEX}+\\.[a-zA-Z0-9\\-._~!$&'()*+,;=:]+)\\]|${part(ucs)}*)(?::\\d*)?`;
  const more = `(?:/${character}*)*`;
  return `(?://${authority}${more}|/(?:${character}+${more})?|${first}+${more})`;
}

function tail(ucs: string, privates: string): string {
  const character = segment(ucs, ':/?');
  return `(?:\\?${segment(ucs + privates, ':/?')}*)?(?:#${character}*)?`;
}

function segment(ucs: string, others: string): string {
  return part(`@${others}${ucs}`);
}

/** Unreserved characters, escapes, delimiters of parts, and others. */
function part(others: string): string {
  return `(?:[a-zA-Z0-9\\-._~!$&'()*+,;=${others}]|%${HEX}{2})`;
}
