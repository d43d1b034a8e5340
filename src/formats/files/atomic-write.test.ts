import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { checkWritable, writeFileAtomic, writeFileStaged, writeFolderAtomic } from '../index.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('writes texts, bytes and pieces', () => {
    const path = join(folder, 'file');
    writeFileAtomic(path, '星');
    expect(readFileSync(path, 'utf8')).toBe('星');
    writeFileAtomic(path, (write) => {
      write('a');
      write(new Uint8Array([0x62]));
    });
    expect(readFileSync(path, 'utf8')).toBe('ab');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('keeps the old file and leaves nothing else when the content fails', () => {
    const path = join(folder, 'file');
    writeFileAtomic(path, 'old');
    const fault = new TypeError('broken');
    const write = () =>
      writeFileAtomic(path, (append) => {
        append('new');
        throw fault;
      });
    expect(write).toThrow(fault);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['file']);
  });

  it('does not blame its own place for the failure of another', () => {
    const read = () => readFileSync('/nonexistent/source', 'utf8');
    expect(() => writeFileAtomic(join(folder, 'file'), (write) => write(read()))).toThrow(
      '/nonexistent/source',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('explains places that cannot be written', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => writeFileAtomic(folder, '')).toThrow(InputError);
    expect(() => writeFileAtomic(join(folder, 'file', 'x'), '')).toThrow('a part of the path is a file');
  });

  it('makes missing folders, and removes them if nothing was written', () => {
    const path = join(folder, 'a', 'b', 'x');
    const fault = () =>
      writeFileAtomic(path, () => {
        throw new RangeError('fault');
      });
    checkWritable(path);
    expect(fault).toThrow(RangeError);
    expect(readdirSync(folder)).toEqual([]);
    writeFileAtomic(path, 'new');
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(() => checkWritable(join(path, 'below', 'y'))).toThrow('a part of the path is a file');
    expect(() => checkWritable(folder)).toThrow('is a folder; name a file');
  });

  it('asks for writing before long work: a file in a folder that may not be written', () => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => checkWritable(join(folder, 'file'))).not.toThrow();
    expect(() => checkWritable('/dev/null')).not.toThrow();
    expect(() => checkWritable('/proc/1/none/x')).toThrow(/\/proc\/1\/none\/x could not be written/);
  });

  it('says of a failure whether something stood there before', () => {
    const disk = Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC', syscall: 'write' });
    const path = join(folder, 'file');
    const write = () =>
      writeFileAtomic(path, () => {
        throw disk;
      });
    expect(write).toThrow(
      `${path} could not be written: the disk is full; free some space. Nothing was left`,
    );
    writeFileSync(path, 'old');
    expect(write).toThrow('What stood there before is unchanged.');
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  it('writes into devices instead of replacing them; a full one is an InputError', () => {
    writeFileAtomic('/dev/null', 'gone');
    const link = join(folder, 'full');
    symlinkSync('/dev/full', link);
    expect(() => writeFileAtomic(link, 'x')).toThrow(InputError);
    expect(() => writeFileAtomic(link, 'x')).toThrow('the disk is full; free some space');
    expect(readdirSync(folder)).toEqual(['full']);
  });
});

describe('writeFolderAtomic', () => {
  it('brings back what a process had moved aside when it was killed within an exchange', async () => {
    const path = join(folder, 'out');
    const previous = join(folder, `.out.previous-${hostname().slice(0, 40)}-99999999-abc`);
    const partial = join(folder, `.out.partial-${hostname().slice(0, 40)}-99999999-def`);
    for (const inside of [previous, partial]) {
      mkdirSync(inside);
      writeFileSync(join(inside, 'a'), inside === previous ? 'old' : 'new');
    }
    await expect(writeFolderAtomic(path, () => undefined)).rejects.toThrow('already holds files');
    expect(readFileSync(join(path, 'a'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out']);
    mkdirSync(previous);
    await writeFolderAtomic(path, (inside) => writeFileAtomic(join(inside, 'a'), 'newer'), { replace: true });
    expect(readFileSync(join(path, 'a'), 'utf8')).toBe('newer');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('puts the old folder back when the new one cannot take its place', async () => {
    const path = join(folder, 'out');
    await writeFolderAtomic(path, (inside) => writeFileAtomic(join(inside, 'a'), 'old'));
    // What was written disappears before it is renamed: the second of the two renames fails.
    const vanish = (inside: string): void => rmSync(inside, { recursive: true });
    await expect(writeFolderAtomic(path, vanish, { replace: true })).rejects.toThrow(
      /What stood there before is unchanged/,
    );
    expect(readFileSync(join(path, 'a'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('leaves alone what a process moved aside while another folder took the place', async () => {
    const path = join(folder, 'out');
    const previous = join(folder, `.out.previous-${hostname().slice(0, 40)}-99999999-abc`);
    mkdirSync(path);
    writeFileSync(join(path, 'a'), 'now');
    mkdirSync(previous);
    writeFileSync(join(previous, 'a'), 'old');
    await writeFolderAtomic(path, (inside) => writeFileAtomic(join(inside, 'b'), 'new'), { replace: true });
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readdirSync(path)).toEqual(['b']);
  });

  it('fills a new or an empty folder and returns the result', async () => {
    const path = join(folder, 'deep', 'out');
    expect(
      await writeFolderAtomic(path, (inside) => writeFileAtomic(join(inside, 'a'), '1')),
    ).toBeUndefined();
    expect(readdirSync(path)).toEqual(['a']);
    mkdirSync(join(folder, 'empty'));
    expect(await writeFolderAtomic(join(folder, 'empty'), async () => 7)).toBe(7);
    symlinkSync('empty', join(folder, 'link'));
    await writeFolderAtomic(join(folder, 'link'), (inside) => writeFileAtomic(join(inside, 'b'), '2'));
    expect(readdirSync(join(folder, 'empty'))).toEqual(['b']);
    expect(readdirSync(folder).sort()).toEqual(['deep', 'empty', 'link']);
  });

  it('leaves nothing when it fails, not even the parents', async () => {
    const path = join(folder, 'deep', 'er', 'out');
    const write = writeFolderAtomic(path, async (inside) => {
      writeFileSync(join(inside, 'half'), '');
      throw new InputError(`${inside}/half is wrong.`);
    });
    await expect(write).rejects.toThrow(`${path}/half is wrong.`);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses to mix with files unless it may replace them', async () => {
    const path = join(folder, 'out');
    await writeFolderAtomic(path, (inside) => writeFileSync(join(inside, 'old'), ''));
    await expect(writeFolderAtomic(path, () => {})).rejects.toThrow('already holds files');
    await expect(writeFolderAtomic(join(path, 'old'), () => {})).rejects.toThrow('is not a folder');
    const failing = () => {
      throw new Error('late');
    };
    await expect(writeFolderAtomic(path, failing, { replace: true })).rejects.toThrow('late');
    expect(readdirSync(path)).toEqual(['old']);
    await writeFolderAtomic(path, (inside) => writeFileSync(join(inside, 'new'), ''), { replace: true });
    expect(readdirSync(path)).toEqual(['new']);
    expect(readdirSync(folder)).toEqual(['out']);
  });
});

function fail404(): never {
  throw new RangeError('404');
}

describe('writeFileStaged', () => {
  it('publishes the file that was written beside it, and nothing when that fails', async () => {
    const path = join(folder, 'model.ckpt');
    const written = await writeFileStaged(path, (_, file) => {
      writeFileSync(file, 'new');
      return 3;
    });
    expect(written).toBe(3);
    expect(readFileSync(path, 'utf8')).toBe('new');
    await expect(writeFileStaged(path, () => {})).rejects.toThrow(/model\.ckpt already exists/);
    const fault = new TypeError('broken');
    const fail = writeFileStaged(
      path,
      (_, file) => {
        writeFileSync(file, 'half');
        throw fault;
      },
      { replace: true },
    );
    await expect(fail).rejects.toThrow(fault);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['model.ckpt']);
    const refuse = writeFileStaged(
      path,
      (_, file) => {
        throw new InputError(`${file} is wrong. Nothing was left behind.`);
      },
      { replace: true },
    );
    await expect(refuse).rejects.toThrow(`${path} is wrong. What stood there before is unchanged.`);
    await writeFileStaged(path, (_, file) => writeFileSync(file, 'newer'), { replace: true });
    expect(readFileSync(path, 'utf8')).toBe('newer');
    await expect(writeFileStaged(folder, () => {})).rejects.toThrow('is a folder; name a file');
    const deep = join(folder, 'a', 'b', 'x');
    await expect(writeFileStaged(deep, fail404)).rejects.toThrow('404');
    expect(readdirSync(folder)).toEqual(['model.ckpt']);
    await writeFileStaged(deep, (_, file) => writeFileSync(file, 'deep'));
    expect(readFileSync(deep, 'utf8')).toBe('deep');
  });

  it('sweeps what a process that is gone left behind, and leaves the living alone', () => {
    const name = (pid: number) => `.file.partial-${hostname().slice(0, 40)}-${pid}-abc`;
    // Process numbers end at 2^22 on Linux.
    mkdirSync(join(folder, name(2 ** 22 + 1)));
    mkdirSync(join(folder, name(process.ppid)));
    writeFileAtomic(join(folder, 'file'), 'x');
    expect(readdirSync(folder).sort()).toEqual([name(process.ppid), 'file'].sort());
  });
});
