import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { AtomicFileSet } from './atomic-file-set.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-set-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('AtomicFileSet', () => {
  it('shows the files at commit only, written at any place', () => {
    writeFileSync(join(folder, 'a'), 'before');
    const files = new AtomicFileSet();
    const [a, b] = ['a', 'b'].map((name) => files.create(join(folder, name)));
    a?.write(Buffer.from('cd'), 2);
    a?.write(Buffer.from('ab'), 0);
    b?.write(Buffer.from('x'), 3);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('before');
    expect(readdirSync(folder)).not.toContain('b');
    files.commit();
    files.abort();
    expect(readdirSync(folder)).toEqual(['a', 'b']);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('abcd');
    expect(readFileSync(join(folder, 'b'))).toEqual(Buffer.from('\0\0\0x'));
  });

  it('writes more files at once than it holds open', () => {
    const files = new AtomicFileSet();
    const all = Array.from({ length: 70 }, (_, index) => files.create(join(folder, `f${index}`)));
    for (const offset of [0, 1])
      for (const [index, file] of all.entries()) file.write(Buffer.from(String(index % 10)), offset);
    files.commit();
    expect(readdirSync(folder).length).toBe(70);
    for (const index of all.keys())
      expect(readFileSync(join(folder, `f${index}`), 'utf8')).toBe(String(index % 10).repeat(2));
  });

  it('leaves nothing after abort or a failed commit', () => {
    const aborted = new AtomicFileSet();
    aborted.create(join(folder, 'a')).write(Buffer.from('a'), 0);
    aborted.abort();
    expect(readdirSync(folder)).toEqual([]);
    const failing = new AtomicFileSet();
    failing.create(join(folder, 'a'));
    mkdirSync(join(folder, 'a'));
    expect(() => failing.commit()).toThrow(InputError);
    expect(readdirSync(folder)).toEqual(['a']);
  });

  it('refuses folders and missing places', () => {
    const files = new AtomicFileSet();
    expect(() => files.create(folder)).toThrow('is a folder');
    expect(() => files.create(join(folder, 'none', 'a'))).toThrow('its folder does not exist');
    files.abort();
  });
});
