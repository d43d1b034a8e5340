import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { InputError } from '../errors/index.js';
import type { ServeOptions } from '../serving/index.js';
import { parseByteSize } from './byte-size.js';
import { parseOptions } from './options.js';
import { readServeOptions, serveSpecs } from './serve-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-serve-options-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

const read = (...args: string[]): ServeOptions =>
  readServeOptions(
    parseOptions({ command: 'xinghe serve', summary: '' }, serveSpecs, ['--model', 'm', ...args]),
    '1',
  );

test('what is not said has a default', () => {
  expect(read()).toMatchObject({
    model: { path: 'm' },
    engine: { settings: { prefixCache: true, cacheTokens: undefined, cacheBytes: undefined } },
    adapters: [],
    queue: { maxRequests: 256, maxTokens: 262_144 },
    http: { port: 8000, allowOpen: false },
  });
  expect(read().http?.keys?.isRequired).toBe(false);
});

test('what is said', () => {
  const keys = file('keys', '# people\nann:0123456789abcdef\n');
  const template = file('template', '{{ messages }}');
  const options = read(
    ...[
      '--adapter',
      'poet=a',
      'cook=b=c',
      '--kv-cache-memory',
      '8GB',
      '--kv-dtype',
      'int8',
      '--no-prefix-cache',
    ],
    ...['--max-model-len', '4096', '--api-key-file', keys, '--quiet', '--chat-template', template],
  );
  expect(options).toMatchObject({
    engine: { settings: { maxLength: 4096, kvDType: 'int8', prefixCache: false, cacheBytes: 8e9 } },
    adapters: [
      { name: 'poet', path: 'a' },
      { name: 'cook', path: 'b=c' },
    ],
    model: { chat: { template, values: {} } },
    http: { accessLog: null },
  });
  expect(options.http?.keys?.check('Bearer 0123456789abcdef', 'key')).toBe('ann');
});

test.each<[string[], RegExp]>([
  [['--api-key-file', join(folder, 'none')], /key file .*none cannot be read/],
  [['--api-key-file', file('empty', '\n# nobody\n')], /holds no key/],
  [['--api-key-file', file('short', 'ann:abc\n')], /ann has 3 characters/],
  [['--api-key-file', file('loose', 'ann smith 0123456789\n')], /ASCII without spaces/],
  [['--adapter', 'somewhere'], /--adapter is "somewhere"; give NAME=PATH/],
  [['--adapter', 'a=x', 'a=y'], /two adapters are named "a"/],
  [['--kv-cache-memory', '1GB', '--kv-cache-tokens', '9'], /not both/],
  [['--kv-cache-memory', 'much'], /--kv-cache-memory is "much"; give a size of memory/],
  [['--served-model-name', ''], /--served-model-name is empty/],
  [['--port', '70000'], /--port is 70000/],
])('%j is refused', (args, message) => {
  expect(() => read(...args)).toThrow(InputError);
  expect(() => read(...args)).toThrow(message);
});

test.each([
  ['8GB', 8e9],
  ['8 gb', 8e9],
  ['1.5GiB', 1.5 * 2 ** 30],
  ['512M', 512e6],
  ['700k', 700e3],
  ['4096', 4096],
])('%s is %i bytes', (text, bytes) => expect(parseByteSize('--x', text)).toBe(bytes));

test.each(['', '0', '-1GB', 'GB', '1e9', '8XB', '1TBB', '99999999TB'])('"%s" is no size', (text) =>
  expect(() => parseByteSize('--x', text)).toThrow(InputError),
);
