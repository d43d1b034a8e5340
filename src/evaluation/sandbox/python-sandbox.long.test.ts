/** Programs that are right, wrong, and out to deceive. Each sandbox that works on this machine is tried. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { hasPython, openSandbox, requiresSandbox } from '../../../tests/support/python-sandbox.js';
import { requires } from '../../../tests/support/requires.js';
import { PythonSandbox } from './python-sandbox.js';

const sandbox = openSandbox();
afterAll(() => sandbox?.dispose());

async function outcome(program: string): Promise<string> {
  if (sandbox === undefined) throw new Error('skipped');
  return (await sandbox.run(program)).outcome;
}

describe('programs', requiresSandbox(sandbox), () => {
  test.each([
    ['reaches its end', 'x = 1', 'passed'],
    ['checks something false', 'assert 1 == 2', 'failed: AssertionError'],
    ['is no program', 'def f(:', 'failed: SyntaxError'],
    ['defines its function again', 'def f(): return 1\ndef f(): return 2\nassert f() == 2', 'passed'],
    [
      'uses a thread',
      'import threading\nr = []\nt = threading.Thread(target=lambda: r.append(1))\nt.start(); t.join()\nassert r == [1]',
      'passed',
    ],
    ['is not the main program', 'assert __name__ == "builtins"', 'passed'],
    [
      'uses the standard library',
      'import hashlib, re, math, random, collections\ncollections.namedtuple("P", "a")(1)',
      'passed',
    ],
    ['reads its input', 'input()', 'failed: OSError'],
    ['calls exit', 'exit(0)', 'failed: TypeError'],
    ['recurses for ever', 'def f(n): return f(n + 1)\nf(0)', 'failed: RecursionError'],
    ['asks for too much memory', 'x = bytearray(3 * 2 ** 30)', 'failed: MemoryError'],
    ['writes into its own folder', 'open("/tmp/a", "w").write("x")', 'passed'],
  ])('one that %s', async (_, program, told) => {
    expect(await outcome(program)).toBe(told);
  });

  test.each([
    ['leaves by os._exit(0)', 'import os\nos._exit(0)'],
    ['leaves by sys.exit(0)', 'import sys\nsys.exit(0)'],
    ['says that it passed', 'import posix\nposix.write(3, b"passed")\nposix._exit(0)'],
    ['asks for the secret', 'import sys, posix\nsys.audit("xinghe.end")\nposix._exit(0)'],
    ['looks for the secret in frames', searchFrames()],
    ['looks for the secret in tracebacks', searchTraceback()],
    ['looks for the secret among all objects', 'import gc\ngc.get_objects()'],
    ['reaches for memory', 'import ctypes'],
    ['becomes another program', 'import posix\nposix.execv("/bin/true", ["true"])'],
    ['starts a process', 'import posix\nif posix.fork() == 0: posix._exit(0)'],
    [
      'starts a program by hand',
      'import _posixsubprocess\nfrom multiprocessing import util\nutil.spawnv_passfds(b"/bin/true", [b"true"], [])',
    ],
    ['opens a connection', 'import socket\nsocket.create_connection(("127.0.0.1", 1))'],
    ['reads files of the machine', 'open("/etc/passwd").read()'],
    ['reads files behind the old root', 'open("/old/etc/passwd").read()'],
    ['writes among the system', 'open("/usr/lib/x", "w")'],
    ['writes beside its folder', 'open("/x", "w")'],
    ['lets nobody see its end', 'import posix\nposix.close(3)'],
  ])('one that %s does not pass', async (_, program) => {
    expect(await outcome(program)).toMatch(/^failed: /);
  });

  test('a fork bomb makes no process', async () => {
    expect(
      await outcome(
        'import posix\nwhile True:\n  try:\n    posix.fork()\n  except RuntimeError:\n    raise ValueError',
      ),
    ).toBe('failed: ValueError');
  });

  test('a program that does not end is ended, and what it started with it', async () => {
    expect(await outcome('import time\ntime.sleep(60)')).toBe('timed out');
    expect(await outcome('while True: pass')).toBe('timed out');
  });

  test('each has an interpreter of its own', async () => {
    expect(await outcome('import math\nmath.pi = 3')).toBe('passed');
    expect(await outcome('assert __import__("math").pi > 3')).toBe('passed');
    expect(await outcome('assert not __import__("os").path.exists("/tmp/a")')).toBe('passed');
  });
});

/** Writes everything that looks like the secret. */
function searchFrames(): string {
  return `import sys, posix, re
frame = sys._getframe()
while frame:
    values = [*frame.f_locals.values(), *frame.f_globals.values(), *frame.f_code.co_consts]
    for found in re.findall('[0-9a-f]{48}', repr(values)):
        posix.write(3, found.encode())
    frame = frame.f_back
posix._exit(0)`;
}

function searchTraceback(): string {
  return `import gc, posix, re
try:
    gc.get_objects()
except RuntimeError as error:
    trace = error.__traceback__
    while trace:
        for found in re.findall('[0-9a-f]{48}', repr(trace.tb_frame.f_locals)):
            posix.write(3, found.encode())
        trace = trace.tb_next
posix._exit(0)`;
}

test('without an interpreter or a sandbox nothing runs', requires(hasPython, 'there is no python3'), () => {
  expect(existsSync('/no/python')).toBe(false);
  expect(() => new PythonSandbox({ python: '/no/python' })).toThrow(
    /need Python 3, and \/no\/python does not run/,
  );
  const path = process.env.PATH;
  const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
    encoding: 'utf8',
  }).stdout.trim();
  try {
    process.env.PATH = '/nowhere';
    expect(() => new PythonSandbox({ python })).toThrow(/no sandbox works here.*--run-code-unsafely/s);
    expect(new PythonSandbox({ python, mayRunUnconfined: true }).confinement).toBe('none');
  } finally {
    process.env.PATH = path;
  }
});
