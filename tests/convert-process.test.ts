/** `xinghe convert` as a process of its own that is killed, interrupted, or runs out of disk in the middle of a conversion. */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeSafetensors } from '../src/formats/index.js';
import { goldenFolder } from './support/golden.js';
import { casesOf } from './support/long-suite.js';

const program = fileURLToPath(new URL('../bin/xinghe', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'xinghe-convert-process-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** @param during called every few ms while it runs */
function convert(
  from: string,
  to: string,
  options: readonly string[] = [],
  during: (kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const args = ['convert', '--from', from, '--to', to, ...options];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const timer = setInterval(() => during((signal) => child.kill(signal)), 3);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(timer);
      resolve({ code, signal, stderr });
    });
  });
}

/** SHA-256 of a file, or of all files of a folder. */
function fingerprint(path: string): string {
  const hash = createHash('sha256');
  const files = statSync(path).isDirectory()
    ? readdirSync(path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : [path];
  const buffer = Buffer.alloc(2 ** 20);
  for (const file of files) {
    hash.update(file.slice(path.length));
    const descriptor = openSync(file, 'r');
    for (let count = 1; count > 0; ) {
      count = readSync(descriptor, buffer);
      hash.update(buffer.subarray(0, count));
    }
    closeSync(descriptor);
  }
  return hash.digest('hex');
}

/** Bytes that a running conversion has written so far beside its target. */
function partialBytes(place: string): number {
  try {
    return readdirSync(place, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.parentPath.includes('.partial-'))
      .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  } catch {
    return 0; // It is renamed or removed while we look.
  }
}

const leftovers = (place: string): string[] =>
  readdirSync(place).filter((name) => /\.(partial|previous)-/.test(name));

const MB = 2 ** 20;

/** Linear layers of some Llama, of repeated bytes. */
function makeSource(path: string, tensors: number, bytesEach: number): void {
  const piece = Buffer.alloc(MB, 'xinghe');
  function* content() {
    for (let written = 0; written < bytesEach; written += MB) yield piece;
  }
  writeSafetensors(
    path,
    Array.from({ length: tensors }, (_, index) => ({
      name: `blocks.${index}.weight`,
      dtype: 'float32' as const,
      shape: [bytesEach / 4096, 1024],
      bytes: content,
    })),
  );
}

const source = join(folder, 'source.safetensors');
let sourcePrint = '';
beforeAll(() => {
  makeSource(source, 10, 30 * MB);
  sourcePrint = fingerprint(source);
});

/** What each signal meets in the quick suite. */
const QUICK = { SIGKILL: 'folder', SIGINT: undefined, SIGTERM: undefined };

describe('killed or interrupted in the middle of 300 MB', () => {
  for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const)
    for (const kind of casesOf(['file', 'folder'], (one) => one === QUICK[signal]))
      test(`${signal}, a ${kind}: source and earlier output are whole, the next run sweeps up`, async () => {
        const place = join(folder, `${signal}-${kind}`);
        mkdirSync(place);
        const to = join(place, kind === 'file' ? 'out.ckpt' : 'out');
        const small = `${goldenFolder}xverse/model.safetensors`;
        expect((await convert(small, to, kind === 'file' ? [] : ['--format', 'bin'])).code).toBe(0);
        const earlier = fingerprint(to);
        const killed = async (target: string, options: string[]) => {
          let sent = false;
          const { code, signal: by } = await convert(source, target, options, (kill) => {
            if (sent || partialBytes(place) < 40 * MB) return;
            sent = true;
            kill(signal);
          });
          expect(sent).toBe(true);
          expect(by ?? code).toBe(by === null ? 130 : signal);
        };
        await killed(to, ['--overwrite']);
        expect(fingerprint(to)).toBe(earlier);
        const fresh = join(place, kind === 'file' ? 'fresh.ckpt' : 'fresh');
        await killed(fresh, []);
        expect(existsSync(fresh)).toBe(false);
        expect(fingerprint(source)).toBe(sourcePrint);
        for (const target of [to, fresh])
          expect((await convert(small, target, ['--overwrite'])).code).toBe(0);
        expect(leftovers(place)).toEqual([]);
        rmSync(place, { recursive: true });
      });
});

test('a second run on top of the first is refused; --overwrite exchanges', async () => {
  for (const name of casesOf(['twice.ckpt', 'twice'], (one) => one === 'twice')) {
    const to = join(folder, name);
    expect((await convert(`${goldenFolder}xverse/model.safetensors`, to)).code).toBe(0);
    const first = fingerprint(to);
    const again = await convert(`${goldenFolder}spark/model.safetensors`, to);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/^xinghe: .*already (exists|holds files)/);
    expect(fingerprint(to)).toBe(first);
    const exchanged = await convert(`${goldenFolder}spark/model.safetensors`, to, ['--overwrite']);
    expect(exchanged.code, exchanged.stderr).toBe(0);
    expect(fingerprint(to)).not.toBe(first);
  }
  expect(leftovers(folder)).toEqual([]);
});

test('a folder without the right to write, or on a file system that is read-only', async (context) => {
  const place = join(folder, 'read-only');
  mkdirSync(place);
  const isRoot = process.getuid?.() === 0;
  const mounted =
    isRoot && spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'none', place]).status === 0;
  if (isRoot && !mounted) context.skip('root writes everywhere, and this machine lets nobody mount');
  try {
    chmodSync(mounted ? folder : place, mounted ? 0o700 : 0o500);
    for (const name of ['out.ckpt', 'out']) {
      const { code, stderr } = await convert(`${goldenFolder}spark/model.safetensors`, join(place, name));
      expect(stderr).toMatch(
        /^xinghe: .*(no permission to write there|the file system is read-only); choose/,
      );
      expect(code).toBe(2);
      expect(stderr.trim().split('\n').length).toBe(1);
    }
    expect(readdirSync(place)).toEqual([]);
  } finally {
    if (mounted) spawnSync('umount', [place]);
    else chmodSync(place, 0o700);
  }
});

test('a disk that is too small, or full in the middle', async (context) => {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=320m', 'none', disk]).status !== 0)
    context.skip('this machine does not let us mount a small disk');
  try {
    for (const name of casesOf(['out.ckpt', 'out'], (one) => one === 'out.ckpt')) {
      const to = join(disk, name);
      const small = `${goldenFolder}xverse/model.safetensors`;
      expect((await convert(small, to)).code).toBe(0);
      const earlier = fingerprint(to);
      const before = readdirSync(disk);
      const filler = join(disk, 'filler');
      let filled = false;
      // Found by the look at the free space, then only by the write that fails.
      writeFileSync(filler, Buffer.alloc(100 * MB));
      const tooSmall = await convert(source, to, ['--overwrite']);
      expect(tooSmall.stderr).toMatch(
        /^xinghe: .* needs \d+ bytes, but its disk has \d+ free; free some space/,
      );
      expect(tooSmall.code).toBe(2);
      rmSync(filler);
      const full = await convert(source, to, ['--overwrite'], () => {
        if (filled || partialBytes(disk) < 20 * MB) return;
        filled = true;
        const { bavail, bsize } = statfsSync(disk);
        try {
          writeFileSync(filler, Buffer.alloc(bavail * bsize - 30 * MB));
        } catch {
          // The conversion was quicker: the disk is full all the same.
        }
      });
      expect(filled).toBe(true);
      expect(full.stderr.trim().split('\n').at(-1)).toMatch(
        /could not be written: the disk is full; free some space\. What stood there before is unchanged\.$/,
      );
      expect(full.stderr).not.toMatch(/\n\s+at /);
      expect(full.code).toBe(2);
      rmSync(filler);
      expect(fingerprint(to)).toBe(earlier);
      expect(readdirSync(disk)).toEqual(before);
    }
  } finally {
    spawnSync('umount', [disk]);
  }
});
