/** Python's two ways to put values into a text: `%` and `.format`. */
import { representation, stringOf } from './printing.js';
import { ValueFault } from './template-error.js';
import { lookUp, numberOf, PythonFloat, Tuple, typeName, Undefined, type Value } from './values.js';

const MAX_WIDTH = 10_000;

interface NumberStyle {
  readonly sign: string;
  readonly isAlternate: boolean;
  readonly precision: number | undefined;
  readonly type: string;
  readonly grouping: string;
}

/** `template % argument` */
export function percentFormat(template: string, argument: Value): string {
  const values = argument instanceof Tuple ? argument.items : [argument];
  const names = argument instanceof Map ? argument : undefined;
  let used = 0;
  const next = (): Value => {
    const value = values[used++];
    if (value === undefined) throw new ValueFault('not enough arguments for format string');
    return value;
  };
  const text = template.replace(
    /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+))?([hlL]?)([\s\S])?/g,
    (
      _,
      name: string | undefined,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      __,
      type: string | undefined,
    ) => {
      if (type === '%') return '%';
      if (type === undefined) throw new ValueFault('incomplete format');
      const widthNumber = width === '*' ? Number(numberOf(next()) ?? 0) : Number(width ?? 0);
      const precisionText = precision === '*' ? String(numberOf(next()) ?? 0) : precision;
      let value: Value;
      if (name !== undefined) {
        if (names === undefined) throw new ValueFault('format requires a mapping');
        const found = lookUp(names, name);
        if (found === undefined) throw new ValueFault(`there is no key ${representation(name)}`);
        value = found;
      } else value = next();
      return percentField(value, type, flags, widthNumber, precisionText);
    },
  );
  if (names === undefined && used < values.length)
    throw new ValueFault('not all arguments converted during string formatting');
  return text;
}

function percentField(
  value: Value,
  type: string,
  flags: string,
  width: number,
  precision: string | undefined,
): string {
  const places = precision === undefined ? undefined : Number(precision);
  const isLeft = flags.includes('-');
  if (type === 's' || type === 'r' || type === 'a') {
    const text = type === 's' ? stringOf(value) : representation(value);
    return padded(
      places === undefined ? text : [...text].slice(0, places).join(''),
      width,
      ' ',
      isLeft ? '<' : '>',
    );
  }
  if (type === 'c') {
    const code = numberOf(value);
    return padded(
      code === undefined ? stringOf(value) : String.fromCodePoint(code),
      width,
      ' ',
      isLeft ? '<' : '>',
    );
  }
  const number = numberOf(value);
  if (!'diouxXeEfFgG'.includes(type)) throw new ValueFault(`unsupported format character '${type}'`);
  if (number === undefined)
    throw new ValueFault(`%${type} format: a real number is required, not ${typeName(value)}`);
  const isWhole = 'diouxX'.includes(type);
  const digits = numberText(isWhole ? Math.trunc(number) : number, {
    sign: flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '-',
    isAlternate: flags.includes('#'),
    precision: places,
    type: isWhole && !'oxX'.includes(type) ? 'd' : type,
    grouping: '',
  });
  return flags.includes('0') && !isLeft
    ? padded(digits, width, '0', '=')
    : padded(digits, width, ' ', isLeft ? '<' : '>');
}

/** `template.format(…)` @param attribute reads `{0.name}` */
export function braceFormat(
  template: string,
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
  attribute: (target: Value, name: Value, isIndex: boolean) => Value,
): string {
  let automatic = 0;
  const field = (body: string): string => {
    const [, name = '', path = '', conversion, , style = ''] =
      /^([^.[!:]*)((?:\.[^.[!:]+|\[[^\]]*\])*)(?:!([rsa]))?(:([\s\S]*))?$/.exec(body) ?? invalidField(body);
    let value = argument(name === '' ? String(automatic++) : name);
    for (const [step] of path.matchAll(/\.[^.[]+|\[[^\]]*\]/g)) {
      const isIndex = step.startsWith('[');
      const key = isIndex ? step.slice(1, -1) : step.slice(1);
      value = attribute(value, isIndex && /^\d+$/.test(key) ? Number(key) : key, isIndex);
    }
    const spec = style.replace(/\{([^{}]*)\}/g, (_, inner: string) => field(inner));
    if (conversion === undefined) return formatted(value, spec);
    return formatted(conversion === 's' ? stringOf(value) : representation(value), spec);
  };
  const argument = (name: string): Value => {
    const value = /^\d+$/.test(name) ? positional[Number(name)] : named.get(name);
    if (value === undefined) throw new ValueFault(`format has no argument ${representation(name)}`);
    return value;
  };
  return template.replace(
    /\{\{|\}\}|\{((?:[^{}]|\{[^{}]*\})*)\}|[{}]/g,
    (whole, body: string | undefined) => {
      if (whole === '{{' || whole === '}}') return whole[0]!;
      if (body === undefined) throw new ValueFault(`a single "${whole}" in a format string`);
      return field(body);
    },
  );
}

function invalidField(body: string): never {
  throw new ValueFault(`"{${body}}" is no field of a format string`);
}

/** `format(value, spec)` */
export function formatted(value: Value, spec: string): string {
  if (spec === '') return stringOf(value);
  const match = /^(?:(.)?([<>=^]))?([-+ ]?)(#?)(0?)(\d*)([,_]?)(?:\.(\d+))?([a-zA-Z%]?)$/su.exec(spec);
  if (match === null) throw new ValueFault(`invalid format specifier "${spec}"`);
  const [, fill, align, sign = '', alternate, zero, widthText, grouping = '', precisionText, type = ''] =
    match;
  const width = Number(widthText);
  const precision = precisionText === undefined ? undefined : Number(precisionText);
  const number = typeof value === 'boolean' && type === '' ? undefined : numberOf(value);
  if (number === undefined || type === 's') {
    if (type !== '' && type !== 's')
      throw new ValueFault(`unknown format code '${type}' for object of type '${typeName(value)}'`);
    if (value instanceof Undefined || itemsLike(value))
      throw new ValueFault(`unsupported format string passed to ${typeName(value)}.__format__`);
    const text = stringOf(value);
    return padded(
      precision === undefined ? text : [...text].slice(0, precision).join(''),
      width,
      fill ?? ' ',
      align ?? '<',
    );
  }
  const isFloat = value instanceof PythonFloat;
  const kind = type === '' ? (isFloat ? (precision === undefined ? 'repr' : 'general') : 'd') : type;
  const text = numberText(number, {
    sign: sign || '-',
    isAlternate: alternate === '#',
    precision,
    type: kind,
    grouping,
  });
  return padded(text, width, fill ?? (zero === '0' ? '0' : ' '), align ?? (zero === '0' ? '=' : '>'));
}

function itemsLike(value: Value): boolean {
  return Array.isArray(value) || value instanceof Map || value instanceof Tuple || value === null;
}

function numberText(value: number, { sign, isAlternate, precision, type, grouping }: NumberStyle): string {
  const isNegative = value < 0 || Object.is(value, -0);
  const prefix = isNegative && !(type === 'd' && value === 0) ? '-' : sign === '-' ? '' : sign;
  let digits = magnitudeText(Math.abs(value), type, precision, isAlternate);
  if (grouping !== '')
    digits = digits.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, grouping));
  return prefix + digits;
}

function magnitudeText(
  size: number,
  type: string,
  precision: number | undefined,
  isAlternate: boolean,
): string {
  if (!Number.isFinite(size)) return Number.isNaN(size) ? 'nan' : 'inf';
  switch (type) {
    case 'd':
    case 'n':
      return BigInt(Math.trunc(size))
        .toString()
        .padStart(precision ?? 0, '0');
    case 'x':
    case 'X':
    case 'o':
    case 'b': {
      const text = size.toString({ x: 16, X: 16, o: 8, b: 2 }[type]);
      return (isAlternate ? `0${type}` : '') + (type === 'X' ? text.toUpperCase() : text);
    }
    case 'f':
    case 'F':
      return fixed(size, precision ?? 6);
    case '%':
      return `${fixed(size * 100, precision ?? 6)}%`;
    case 'e':
    case 'E': {
      const text = exponential(size, precision ?? 6);
      return type === 'E' ? text.toUpperCase() : text;
    }
    case 'g':
    case 'G':
    case 'general': {
      const text = general(size, precision ?? 6, type === 'general');
      return type === 'G' ? text.toUpperCase() : text;
    }
    case 'repr':
      return stringOf(new PythonFloat(size));
    case 'c':
      return String.fromCodePoint(size);
    default:
      throw new ValueFault(`unknown format code '${type}' for a number`);
  }
}

/** toFixed stops at 1e21, where doubles are whole. */
function fixed(size: number, places: number): string {
  if (size >= 1e21) return BigInt(size).toString() + (places > 0 ? `.${'0'.repeat(places)}` : '');
  return exactRound(size, Math.min(places, 100)) + '0'.repeat(Math.max(places - 100, 0));
}

/** Ties go to the even digit, as in C; toFixed takes the larger. */
function exactRound(size: number, places: number): string {
  const text = size.toFixed(places);
  const exact = size.toFixed(Math.min(places + 30, 100));
  const rest = exact.slice(exact.indexOf('.') + 1 + places);
  if (!/^50*$/.test(rest) || places + 30 > 100) return text;
  const down = exact.slice(0, exact.indexOf('.') + (places > 0 ? 1 + places : 0));
  return Number(down.at(-1)) % 2 === 0 ? down : text;
}

function exponential(size: number, places: number): string {
  const [mantissa, exponent] = size.toExponential(Math.min(places, 100)).split('e');
  const power = Number(exponent);
  return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
}

function general(size: number, precision: number, keepsPoint: boolean): string {
  const places = Math.max(precision, 1);
  if (size === 0) return keepsPoint ? '0.0' : '0';
  const power = Number(size.toExponential(places - 1).split('e')[1]);
  const trimmed = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  if (power < -4 || power >= places - (keepsPoint ? 1 : 0)) {
    const [mantissa, exponent] = exponential(size, places - 1).split('e');
    return `${trimmed(mantissa!)}e${exponent}`;
  }
  const text = trimmed(size.toFixed(Math.max(places - 1 - power, 0)));
  return keepsPoint && !text.includes('.') ? `${text}.0` : text;
}

export function padded(text: string, width: number, fill: string, align: string): string {
  if (width > MAX_WIDTH) throw new ValueFault(`a width of ${width}; at most ${MAX_WIDTH} is supported`);
  const missing = Math.max(width - [...text].length, 0);
  if (align === '<') return text + fill.repeat(missing);
  if (align === '^') return fill.repeat(missing >> 1) + text + fill.repeat(missing - (missing >> 1));
  if (align !== '=') return fill.repeat(missing) + text;
  const sign = /^[-+ ]?(?:0[xXob])?/.exec(text)![0];
  return sign + fill.repeat(missing) + text.slice(sign.length);
}
