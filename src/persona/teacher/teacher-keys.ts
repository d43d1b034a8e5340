/** Keys of a teacher: from the environment, or a file of NAME=VALUE lines. They never stand in a command line, a log or a result. */
import { readFileSync, statSync } from 'node:fs';
import { InputError, messageOf } from '../../errors/index.js';
import { log } from '../../log/index.js';
import type { SparkKeys } from './spark-signature.js';

export type KeySource = (name: string) => string | undefined;

/** @throws InputError for a file that cannot be read, or has a line of another form */
export function keySource(file: string | undefined, environment: NodeJS.ProcessEnv = process.env): KeySource {
  const own = file === undefined ? new Map<string, string>() : readKeys(file);
  return (name) => {
    const value = own.get(name) ?? environment[name];
    return value === undefined || value.trim() === '' ? undefined : value.trim();
  };
}

function readKeys(path: string): Map<string, string> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    if ((statSync(path).mode & 0o077) !== 0)
      log(`warning: others can read ${path}, which holds keys; chmod 600 keeps them out`);
  } catch (error) {
    throw new InputError(`--keys ${path}: ${messageOf(error)}`);
  }
  const keys = new Map<string, string>();
  for (const [place, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const found = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*$/.exec(line);
    // The line is not shown: it may hold a key.
    if (found?.[1] === undefined)
      throw new InputError(`--keys ${path}:${place + 1}: a line is NAME=VALUE, such as SPARK_API_KEY=….`);
    keys.set(found[1], found[2] ?? found[3] ?? found[4] ?? '');
  }
  return keys;
}

/** @throws InputError naming what is missing */
export function sparkKeys(source: KeySource): SparkKeys {
  const names = { appId: 'SPARK_APP_ID', apiKey: 'SPARK_API_KEY', apiSecret: 'SPARK_API_SECRET' } as const;
  const [appId, apiKey, apiSecret] = [names.appId, names.apiKey, names.apiSecret].map(source);
  if (appId !== undefined && apiKey !== undefined && apiSecret !== undefined)
    return { appId, apiKey, apiSecret };
  const missing = Object.values(names).filter((name) => source(name) === undefined);
  throw new InputError(
    `Spark needs ${missing.join(' and ')}: set ${missing.length === 1 ? 'it' : 'them'} in the environment, or in a file for --keys (NAME=VALUE a line).`,
  );
}
