/**
 * Against the published JSON-Schema-Test-Suite, where a copy of its `tests/` lies under the cache folder as
 * `json-schema-test-suite` or is named by XINGHE_JSON_SCHEMA_SUITE: no value is accepted that the suite calls invalid.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { acceptor } from '../../../../tests/support/grammars/accepts.js';
import { requires } from '../../../../tests/support/requires.js';
import { InputError } from '../../../errors/index.js';

interface Group {
  readonly description: string;
  readonly schema: unknown;
  readonly tests: readonly {
    readonly description: string;
    readonly data: unknown;
    readonly valid: boolean;
  }[];
}

const cache =
  process.env.XINGHE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'xinghe');
const suite = process.env.XINGHE_JSON_SCHEMA_SUITE ?? join(cache, 'json-schema-test-suite');
const isHere = existsSync(join(suite, 'draft2020-12'));
const needed = requires(isHere, `no JSON-Schema-Test-Suite under ${suite}`);

test.each(['draft2020-12', 'draft2020-12/optional', 'draft2020-12/optional/format', 'draft7'])(
  '%s',
  { ...needed, timeout: 300_000 },
  (name) => {
    const folder = join(suite, name);
    let accepted = 0;
    for (const file of readdirSync(folder).filter((each) => each.endsWith('.json'))) {
      const groups: readonly Group[] = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      for (const { description, schema, tests } of groups) {
        // The suite's formats say nothing about other types.
        const isFormat = name.endsWith('format') && typeof schema === 'object';
        let accepts: (text: string) => boolean;
        try {
          accepts = acceptor({
            kind: 'json-schema',
            schema: isFormat ? { type: 'string', ...schema } : schema,
          });
        } catch (error) {
          expect(error, `${file}: ${description}`).toBeInstanceOf(InputError);
          continue;
        }
        for (const { description: which, data, valid } of tests) {
          if (!accepts(JSON.stringify(data))) continue;
          accepted += 1;
          expect(valid, `${file}: ${description}: ${which}`).toBe(true);
        }
      }
    }
    expect(accepted).toBeGreaterThan(20);
  },
);
