/** Peers that are not there are refused before anything is measured, with the way to get them. */
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { openPeer, peersOf } from './peers.js';

const folder = mkdtempSync(join(tmpdir(), 'bench-peers-'));
const python = join(folder, 'python');
// An interpreter that has nothing.
writeFileSync(python, '#!/bin/sh\nshift 2; echo "$*"\n');
chmodSync(python, 0o755);
const options = { python, from: folder };

test.each([
  [
    'train',
    'pytorch',
    /--against pytorch: \S+ has no torch and no transformers; .*pip install torch==\S+ .*--python/,
  ],
  [
    'decode',
    'llama.cpp',
    /node-llama-cpp is not installed in \S+ .*npm install node-llama-cpp@\S+ .*--from FOLDER/,
  ],
  ['convert', 'safetensors', /has no safetensors and no torch; .*pip install/],
  ['data', 'datasets', /has no datasets and no tokenizers/],
  ['encode', 'sentencepiece', /has no sentencepiece; .*pip install sentencepiece/],
  [
    'decode',
    'lama.cpp',
    /neither a peer of this verb nor a program\. Did you mean `llama\.cpp`\? There are llama\.cpp\./,
  ],
  // A peer of another verb.
  ['decode', 'pytorch', /neither a peer of this verb nor a program\..*There are llama\.cpp/],
  ['serve', 'vllm', /neither a peer of this verb nor a program\. A program is a path/],
] as const)('%s against %s', (subject, against, message) => {
  expect(() => openPeer(subject, { ...options, against })).toThrow(message);
});

test('an interpreter that is not there', () => {
  expect(() => openPeer('op', { against: 'pytorch', python: '/nowhere/python', from: undefined })).toThrow(
    /\/nowhere\/python cannot be run; name an interpreter by --python PYTHON \(it needs torch: pip install/,
  );
});

test('a path to an interpreter is meant from here, not from where the peer runs', () => {
  const near = relative(process.cwd(), python);
  const file = join(folder, 'near.py');
  writeFileSync(file, '');
  const peer = openPeer('op', { against: file, python: near, from: folder });
  expect(peer.side([]).command).toBe(python);
  expect(openPeer('op', { against: file, python: 'python3', from: folder }).side([]).command).toBe('python3');
});

test('a folder that is not there', () => {
  expect(() => openPeer('op', { against: 'pytorch', python, from: join(folder, 'no') })).toThrow(
    /there is no such folder/,
  );
});

test('a program of the user gets the arguments of the verb', () => {
  const file = (name: string, mode: number): string => {
    const path = join(folder, name);
    writeFileSync(path, '#!/bin/sh\n');
    chmodSync(path, mode);
    return path;
  };
  const side = (path: string) =>
    openPeer('decode', { ...options, against: path }).side(['m.gguf', '--new', '4']);
  const [py, mjs, sh, plain] = [
    file('a.py', 0o644),
    file('a.mjs', 0o644),
    file('a.sh', 0o755),
    file('a.txt', 0o644),
  ];
  expect(side(py)).toMatchObject({
    name: 'a.py',
    command: python,
    args: [py, 'm.gguf', '--new', '4'],
    cwd: folder,
  });
  expect(side(mjs)).toMatchObject({ command: process.execPath, args: [mjs, 'm.gguf', '--new', '4'] });
  expect(side(sh)).toMatchObject({ command: sh, args: ['m.gguf', '--new', '4'], option: `--against ${sh}` });
  expect(() => side(plain)).toThrow(/may not be run; chmod \+x/);
});

test.each(['train', 'decode', 'prompt', 'op', 'encode', 'vocabulary', 'convert', 'data'] as const)(
  '%s has a peer',
  (subject) => expect(peersOf(subject)).not.toEqual([]),
);
