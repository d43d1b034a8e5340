/** Formats of JSON Schema as patterns. What matches is always of the format; rare spellings of it may be left out. */

const YEAR = '\\d{4}';
/** Days by month; 29 February in leap years. */
const DATE =
  `(?:${YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))` +
  '|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)';
const TIME = '(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+\\-](?:[01]\\d|2[0-3]):[0-5]\\d)';
const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const HEX = '[0-9a-fA-F]';
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9\\-]{0,61}[a-zA-Z0-9])?';

export const STRING_FORMATS: ReadonlyMap<string, string> = new Map([
  ['date', DATE],
  ['time', TIME],
  ['date-time', `${DATE}T${TIME}`],
  ['email', `[a-zA-Z0-9_+\\-]{1,32}(?:\\.[a-zA-Z0-9_+\\-]{1,15}){0,2}@${LABEL}(?:\\.${LABEL}){1,2}`],
  ['hostname', `${LABEL}(?:\\.${LABEL}){0,2}`],
  ['ipv4', `(?:${OCTET}\\.){3}${OCTET}`],
  ['ipv6', `(?:${HEX}{1,4}:){7}${HEX}{1,4}`],
  ['uuid', `${HEX}{8}-${HEX}{4}-${HEX}{4}-${HEX}{4}-${HEX}{12}`],
]);
