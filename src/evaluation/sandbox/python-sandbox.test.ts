/** The four things that a sandbox is for; all that programs may try is in python-sandbox.long.test.ts. */
import { afterAll, expect, test } from 'vitest';
import { openSandbox, requiresSandbox } from '../../../tests/support/python-sandbox.js';

const sandbox = openSandbox();
afterAll(() => sandbox?.dispose());

test.each([
  ['reaches its end', 'assert 1 + 1 == 2', /^passed$/],
  ['leaves before its end, as if all were well', 'import os\nos._exit(0)', /^failed: /],
  ['opens a connection', 'import socket\nsocket.create_connection(("127.0.0.1", 1))', /^failed: /],
  [
    'starts processes without end',
    'import posix\nwhile True:\n  try:\n    posix.fork()\n  except RuntimeError:\n    raise ValueError',
    /^failed: ValueError$/,
  ],
])('a program that %s', requiresSandbox(sandbox), async (_, program, told) => {
  if (sandbox === undefined) throw new Error('skipped');
  expect((await sandbox.run(program)).outcome).toMatch(told);
});
