import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { parseYaml11, readConfigFile } from './index.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(name: string, text: string | Uint8Array): unknown {
  const path = join(folder, name);
  writeFileSync(path, text);
  return readConfigFile(path);
}

describe('readConfigFile', () => {
  it('reads the golden Spark configuration', () => {
    expect(readConfigFile('tests/golden/spark/model_config.yaml')).toMatchObject({
      model: {
        model_config: { layernorm_epsilon: 1e-5, use_past: false, checkpoint_name_or_path: '' },
        arch: { type: 'IFlytekSparkModelForCasualLM' },
      },
    });
  });

  it('reads numbers in every notation, and YAML 1.1 words as texts', () => {
    expect(read('a.yaml', '\ufeffa: 1.0e-05\nb: 3e-4\nc: 1e5\nd: .5\ne: yes\nf: 0x10\ng: "3e-4"')).toEqual({
      a: 1e-5,
      b: 3e-4,
      c: 1e5,
      d: 0.5,
      e: 'yes',
      f: 16,
      g: '3e-4',
    });
  });

  it('reads as PyYAML where a file was written for it', () => {
    // Right side: yaml.safe_load of PyYAML 6.0.3.
    const text =
      'a: [yes, No, ON, off, y, n, true]\nb: [10_000, 0123, 0b101, 0x1_f, -1_0, 08, 0o17, 1:30, 0, -017]\n' +
      'c: [1_0.5, .5, 1.e-5, -1.5e+3, 1:30.5]\nd: "yes"\ne: [~, null]\n';
    expect(parseYaml11(text, 'a.yaml')).toEqual({
      value: {
        a: [true, false, true, false, 'y', 'n', true],
        b: [10_000, 83, 5, 31, -10, '08', '0o17', 90, 0, -15],
        c: [10.5, 0.5, 1e-5, -1500, 90.5],
        d: 'yes',
        e: [null, null],
      },
      notes: [],
    });
    // These PyYAML takes for texts.
    expect(parseYaml11('a: [1e-5, 1.5e5]', 'a.yaml').value).toEqual({ a: [1e-5, 1.5e5] });
    expect(parseYaml11('a: {x: 1}\nb: 2\na: {y: no}\n', 'a.yaml')).toEqual({
      value: { a: { y: false }, b: 2 },
      notes: ['line 3: the key "a" stands twice in one mapping; this one counts, as PyYAML reads it.'],
    });
    expect(() => parseYaml11('a: [1', 'a.yaml')).toThrow('a.yaml:1:');
  });

  it('reads anchors and merge keys', () => {
    expect(read('a.yml', 'a: &a {x: 1}\nb:\n  <<: *a\n  y: 2')).toEqual({ a: { x: 1 }, b: { x: 1, y: 2 } });
  });

  it('reads JSON', () => {
    expect(read('a.json', '\ufeff{"a": [1, 2.5e-3, null], "b": "\\u661f"}')).toEqual({
      a: [1, 2.5e-3, null],
      b: '星',
    });
  });

  it.each([
    ['a.yaml', 'a: 1\nb: [1, 2', 'a.yaml:2:'],
    ['a.yaml', 'a: 1\n\n  b: 2', 'a.yaml:'],
    ['a.yaml', 'a:\n  x: 1\n  "x": 2', 'a.yaml:3:3: not valid YAML: the key "x" stands twice'],
    ['a.yaml', 'a: 1\n---\nb: 2', 'second document'],
    ['a.yaml', 'a: !!python/object {}', 'a.yaml:1:4: not valid YAML: Unresolved tag'],
    ['a.yaml', 'a: *b', 'Unresolved alias'],
    ['a.yaml', 'a: &a [*a]', 'a.yaml:1:8: not valid YAML: *a contains itself'],
    ['a.yaml', '# nothing', 'is empty'],
    ['a.yaml', new Uint8Array([0x61, 0x3a, 0x20, 0xff]), 'not valid UTF-8'],
    ['a.json', '{"a": 1,\n"a": 2}', 'a.json:2:1: not valid JSON: the key "a" stands twice'],
    ['a.json', '{"a": 1,\n  "b": [1,]}', "a.json:2:11: not valid JSON: Unexpected token ']'"],
    ['a.json', '{"a": 1,}', 'a.json:1:9: not valid JSON: Expected double-quoted property name'],
    ['a.json', "{\n'a': 1}", 'a.json:2:1: not valid JSON'],
    ['a.json', '{"a":\n', 'a.json:2:1: not valid JSON: Unexpected end'],
    ['a.json', '', 'a.json:1:1: not valid JSON: Unexpected end'],
    ['a.toml', 'a = 1', 'must be a .json, .yaml or .yml file, found ".toml"'],
  ])('refuses %s: %j', (name, text, problem) => {
    expect(() => read(name, text)).toThrow(InputError);
    expect(() => read(name, text)).toThrow(problem);
  });

  it('refuses deep nesting, on which the parser would exhaust the stack', () => {
    expect(() => read('a.yaml', '['.repeat(20_000))).toThrow('nested deeper than 200');
    expect(() => read('a.yaml', '- '.repeat(5000))).toThrow('nested deeper than 200');
    expect(() => read('a.json', `${'['.repeat(5000)}${']'.repeat(5000)}`)).toThrow('nested deeper than 200');
  });

  it('refuses folders and missing files', () => {
    expect(() => readConfigFile(join(folder, 'none.yaml'))).toThrow('does not exist');
    expect(() => readConfigFile(folder)).toThrow(InputError);
  });

  it('takes many keys in linear time', () => {
    const text = Array.from({ length: 20_000 }, (_, index) => `key${index}: ${index}`).join('\n');
    const start = process.cpuUsage();
    expect(Object.keys(read('large.yaml', text) ?? {})).toHaveLength(20_000);
    const seconds = process.cpuUsage(start).user / 1e6;
    expect(seconds, 'seconds of CPU; comparing every key with every other takes 8').toBeLessThan(4);
  });
});
