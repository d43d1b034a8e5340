import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { parseOptions } from './options.js';
import { readModelDefaults, samplingByOptions, samplingOptions, tellSampling } from './sampling-options.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-sampling-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let said = '';
beforeEach(() => {
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  return () => vi.restoreAllMocks();
});

function model(name: string, config?: object): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  if (config !== undefined) writeFileSync(join(path, 'generation_config.json'), JSON.stringify(config));
  return path;
}

const options = (...args: string[]) => parseOptions({ command: 'x', summary: '' }, samplingOptions, args);

test('generation_config.json rules where an option does not, and is shown', () => {
  const defaults = readModelDefaults(
    model('file', {
      temperature: 0.3,
      top_p: 0.85,
      repetition_penalty: 1.1,
      eos_token_id: [2, 7],
      max_length: 9,
    }),
  );
  expect(defaults.eosTokenIds).toEqual([2, 7]);
  expect(samplingByOptions(options(), defaults)).toEqual({
    temperature: 0.3,
    topP: 0.85,
    repetitionPenalty: 1.1,
  });
  expect(samplingByOptions(options('--temperature', '0', '--top-p', '1'), defaults)).toEqual({
    temperature: 0,
    topP: 1,
    repetitionPenalty: 1.1,
  });
  tellSampling(options(), defaults);
  expect(said).toBe(
    'generation_config.json of the model: --temperature 0.3 --top-p 0.85 --repetition-penalty 1.1; ' +
      '--temperature 0 takes the likeliest tokens\n',
  );
  said = '';
  tellSampling(options('--temperature', '0', '--repetition-penalty', '1'), defaults);
  expect(said).toBe('');
});

test('without the file the likeliest token, and nothing is said; with beams the file has no say', () => {
  const defaults = readModelDefaults(model('none'));
  expect(samplingByOptions(options(), defaults)).toEqual({});
  tellSampling(options('--top-k', '5'), defaults);
  expect(said).toBe('warning: no effect without a --temperature above 0: --top-k\n');
  const file = readModelDefaults(model('file2', { temperature: 0.3 }));
  expect(samplingByOptions({ ...options(), beams: 4 }, file)).toEqual({});
});

test('a value out of range in the file is refused by its name', () => {
  expect(() => readModelDefaults(model('bad', { temperature: -1 }))).toThrow(
    /bad: generation_config\.json: temperature: expected at least 0, got -1/,
  );
});
