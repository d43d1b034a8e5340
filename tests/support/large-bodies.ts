/** Bodies of 4 MB in every form that keeps a parser, a checker or a tokenizer busy, put into any field of a body. */

const SIZE = 4 * 1024 * 1024 - 4096;

const repeated = (unit: string, open = '[', close = ']', size = SIZE): string =>
  `${open}${Array(Math.floor(size / (unit.length + 1)))
    .fill(unit)
    .join(',')}${close}`;
const keys = (key: (index: number) => string, value: string): string => {
  const length = key(0).length + value.length + 4;
  const entries = Array.from({ length: Math.floor(SIZE / length) }, (_, index) => `"${key(index)}":${value}`);
  return `{${entries.join(',')}}`;
};
const text = (unit: string): string => `"${unit.repeat(Math.floor(SIZE / Buffer.byteLength(unit)))}"`;
const number = (index: number): string => String(1_000_000 + index);

/** JSON texts by what they are. */
export const fillers: Readonly<Record<string, () => string>> = {
  digits: () => repeated('1'),
  ids: () => repeated('123456'),
  floats: () => repeated('1.2345678901234567e-300'),
  'half a million ids': () => repeated('1', '[', ']', 1_000_000),
  'mixed items': () => repeated('"a",1'),
  'short texts': () => repeated('"ab"'),
  'lists of ids': () => repeated('[1,2,3]'),
  'empty lists': () => repeated('[]'),
  'few empty lists': () => repeated('[]', '[', ']', 90_000),
  'empty objects': () => repeated('{}'),
  nested: () => repeated('['.repeat(40) + ']'.repeat(40)),
  messages: () => repeated('{"role":"user","content":"a"}'),
  'wrong parts': () => repeated('{"type":"x"}'),
  'messages of long texts': () => repeated(`{"role":"user","content":"${'word '.repeat(200)}"}`),
  turns: () => repeated('{"role":"bot","content":"a"}'),
  tools: () => repeated('{"type":"function","function":{"name":"a"}}'),
  'number keys': () => keys(number, '1'),
  'wrong keys': () => keys((index) => `k${number(index)}`, '1'),
  'objects of new keys': () =>
    `[${Array.from({ length: 16_000 }, (_, index) => `{"a${index}":1,"b${index}":"${'x'.repeat(200)}"}`).join(',')}]`,
  'objects of index keys': () =>
    `[${Array.from({ length: 8000 }, () => `{"10":1,"2":"${'x'.repeat(480)}"}`).join(',')}]`,
  'index keys and half a million values': () => `{"10":${repeated('1', '[', ']', 1_000_000)},"2":1}`,
  'index keys and a long text': () => `{"10":${text('林间小路')},"2":1}`,
  'escaped index keys': () => `{"\\u0031":${text('\\"')},"0":1}`,
  letters: () => text('a'),
  words: () => text('The quick fox '),
  spaces: () => text(' '),
  Chinese: () => text('林间小路'),
  emoji: () => text('👩‍👩‍👧'),
  escapes: () => text('\\u4e00'),
  'line ends': () => text('\\n'),
  punctuation: () => text('<|"'.replace('"', '\\"')),
  'JSON in a text': () => text('[{},'),
};

/** What a filler stands in: the field itself, or a place inside it. */
export const places: Readonly<Record<string, readonly ((filler: string) => string)[]>> = {
  messages: [
    (filler) => `[{"role":"user","content":${filler}}]`,
    (filler) => `[{"role":"user","content":[{"type":"text","text":${filler}}]}]`,
    (filler) => `[{"role":"assistant","content":null,"tool_calls":${filler}}]`,
    (filler) =>
      `[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"name":"a","arguments":${filler}}}]}]`,
    (filler) => `[{"role":${filler},"content":"a"}]`,
  ],
  tools: [
    (filler) => `[{"type":"function","function":{"name":"a","description":${filler}}}]`,
    (filler) => `[{"type":"function","function":{"name":"a","parameters":${filler}}}]`,
  ],
  dialog: [(filler) => `[{"role":"user","content":${filler}}]`],
  response_format: [
    (filler) => `{"type":"json_schema","json_schema":{"name":"a","schema":${filler}}}`,
    (filler) => `{"type":"json_schema","json_schema":{"name":"a","schema":{"enum":${filler}}}}`,
  ],
  structured_outputs: [
    (filler) => `{"json":${filler}}`,
    (filler) => `{"regex":${filler}}`,
    (filler) => `{"choice":${filler}}`,
  ],
  input: [
    (filler) => `[{"role":"user","content":${filler}}]`,
    (filler) => `[{"type":"function_call_output","call_id":"a","output":${filler}}]`,
  ],
  system: [(filler) => `[{"type":"text","text":${filler}}]`],
};

export interface LargeBody {
  readonly name: string;
  /** Made when it is asked for: all of them are gigabytes. */
  readonly json: () => string;
}

/** @param example the rest of the body */
export function* largeBodies(
  fields: readonly string[],
  example: Readonly<Record<string, unknown>>,
): Generator<LargeBody> {
  const { messages: _, prompt: __, ...small } = example;
  for (const field of [...fields, 'unknown_field'])
    for (const [kind, filler] of Object.entries(fillers))
      for (const [index, place] of [(json: string) => json, ...(places[field] ?? [])].entries()) {
        const rest = field === 'messages' || field === 'prompt' ? small : example;
        const others = Object.entries(rest).filter(([name]) => name !== field);
        const head = others.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)},`);
        yield {
          name: `${field}${index === 0 ? '' : ` (${index})`}: ${kind}`,
          json: () => `{${head.join('')}${JSON.stringify(field)}:${place(filler())}}`,
        };
      }
  for (const [kind, filler] of Object.entries(fillers)) yield { name: `body: ${kind}`, json: filler };
}
