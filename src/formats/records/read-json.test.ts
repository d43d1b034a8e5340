import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError, messageOf } from '../../errors/index.js';
import { parseJson, readJsonFile, readJsonLines } from '../index.js';
import { findJsonFault } from './json-fault.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'json-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(content: string | Uint8Array): string {
  const path = join(folder, 'case.json');
  writeFileSync(path, content);
  return path;
}

describe('readJsonFile', () => {
  it('reads values, with or without a byte order mark', () => {
    expect(readJsonFile(file('\ufeff{"a": ["星", 1e-5]}\n'))).toEqual({ a: ['星', 1e-5] });
  });

  it.each([
    ['{"a": 1,\n "b": }', 'case.json:2:7: not valid JSON: expected a value, found "}"'],
    ['{"a": 1\n', "case.json:2:1: not valid JSON: expected ',' or '}', found the end of the text"],
    ['{"a": 1,}', 'case.json:1:9: not valid JSON: expected a quoted key, found "}"'],
    ['{"a" 1}', 'case.json:1:6: not valid JSON: expected \':\', found "1"'],
    ['[1 2]', "case.json:1:4: not valid JSON: expected ',' or ']', found \"2\""],
    ['["a\tb"]', 'expected an escaped control character'],
    ['["a\\x"]', 'case.json:1:4: not valid JSON: expected a valid escape'],
    ['"abc', 'expected a closing quote, found the end of the text'],
    ['NaN', 'case.json:1:1: not valid JSON: expected a value, found "NaN"'],
    ['1 {}', 'case.json:1:3: not valid JSON: expected the end of the text, found "{"'],
    ['', 'case.json:1:1: not valid JSON: expected a value, found the end of the text'],
    [new Uint8Array([0x22, 0xe6, 0x98, 0x22]), 'not valid UTF-8: bytes e69822 (hex) at byte offset 1'],
    [new Uint8Array([0x22, 0xef, 0xbf, 0xbd, 0xc0, 0x22]), 'at byte offset 4'],
    [new Uint8Array([0xff, 0xfe, 0x22, 0]), 'is UTF-16; save it as UTF-8'],
  ])('refuses %j', (content, problem) => {
    const path = file(content);
    expect(() => readJsonFile(path)).toThrow(InputError);
    expect(() => readJsonFile(path)).toThrow(problem);
  });

  it('refuses a key that stands twice only if asked to', () => {
    const path = file('{"a": 1, "b": {"a": 1, "\\u0061": 2}}');
    expect(readJsonFile(path)).toEqual({ a: 1, b: { a: 2 } });
    expect(() => readJsonFile(path, { uniqueKeys: true })).toThrow(
      'case.json:1:24: not valid JSON: the key "a"',
    );
  });
});

describe('fuzz: JSON', () => {
  it('findJsonFault finds a fault where JSON.parse does, and no other', () => {
    const valid = fc.json();
    const mutated = fc.tuple(
      valid,
      fc.nat(),
      fc.constantFrom('', '"', '}', ',', '\\', '0', '-', 'e', '\u0001', 'x'),
    );
    const text = fc.oneof(
      valid,
      fc.string({
        unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '1', '-', '.', 'e', ' ', 'null', '\\u00'),
      }),
      mutated.map(([json, at, insert]) => {
        const position = at % (json.length + 1);
        return json.slice(0, position) + insert + json.slice(position + 1);
      }),
    );
    fc.assert(
      fc.property(text, (json) => {
        let parses = true;
        try {
          JSON.parse(json);
        } catch {
          parses = false;
        }
        const fault = findJsonFault(json);
        if (fault?.problem.includes('twice')) return;
        expect(fault === undefined, `${json} -> ${JSON.stringify(fault)}`).toBe(parses);
      }),
      { numRuns: 5000 },
    );
  });

  it('throws nothing but InputError', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseJson(text, 'text', { uniqueKeys: true });
        } catch (error) {
          expect(error, messageOf(error)).toBeInstanceOf(InputError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('readJsonLines', () => {
  it('yields values with line numbers across chunks, without blank lines', () => {
    const long = 'x'.repeat(400_000);
    const path = file(`\ufeff{"a": 1}\r\n\n"${long}"\n   \n3`);
    expect([...readJsonLines(path)]).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 3, value: long },
      { line: 5, value: 3 },
    ]);
  });

  it('names line and column of a fault', () => {
    const lines = readJsonLines(file('{"a": 1}\n{"a": }\n'));
    expect(lines.next().value).toEqual({ line: 1, value: { a: 1 } });
    expect(() => lines.next()).toThrow('case.json:2:7: not valid JSON: expected a value, found "}"');
  });

  it('stops at a line that is too long, without reading it whole', () => {
    const path = file(`1\n"${'x'.repeat(2_000_000)}"\n`);
    const read = () => [...readJsonLines(path, { maxLineBytes: 1000 })];
    expect(read).toThrow(InputError);
    expect(read).toThrow('case.json:2: the line is longer than 1000 bytes');
  });
});
