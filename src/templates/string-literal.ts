const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '',
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** A literal of Python without its quotes. */
export function unescaped(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(
      /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([0-7]{1,3})|([\s\S]))/gu,
      (whole, hex, short, long, octal, single) => {
        const digits: string | undefined = hex ?? short ?? long;
        if (digits !== undefined) {
          const code = Number.parseInt(digits, 16);
          return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
        }
        if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
        return ESCAPES[single] ?? whole;
      },
    );
}
