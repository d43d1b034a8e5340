import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { InputError } from '../../errors/index.js';
import { ApiKeys, readKeyFile } from './api-keys.js';

const folder = mkdtempSync(join(tmpdir(), 'xinghe-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('ApiKeys', () => {
  it('names who asks', () => {
    const keys = new ApiKeys({ keys: ['secret-one', 'team:secret-two'], adminKeys: ['secret-three'] });
    expect(keys.check('Bearer secret-one', 'key')).toBe('key-1');
    expect(keys.check('Bearer secret-two', 'key')).toBe('team');
    expect(keys.check('Bearer secret-three', 'key')).toBe('admin-1');
    expect(keys.check('Bearer team:secret-two', 'open')).toBe(undefined);
    expect(() => keys.check('Bearer wrong-key', 'key')).toThrow(/not known/);
  });

  it('admin keys alone guard admin routes alone', () => {
    const keys = new ApiKeys({ keys: [], adminKeys: ['secret-three'] });
    expect(keys.isRequired).toBe(false);
    expect(keys.check(undefined, 'key')).toBe(undefined);
    expect(() => keys.check(undefined, 'admin')).toThrow(expect.objectContaining({ status: 401 }));
    expect(keys.check('Bearer secret-three', 'admin')).toBe('admin-1');
  });

  it('keeps no key', () => {
    const keys = new ApiKeys({ keys: ['secret-one'] });
    expect(JSON.stringify(keys)).not.toContain('secret');
    expect(Object.keys(keys)).toEqual([]);
  });

  it.each([
    [['short'], /key-1 has 5 characters/],
    [['with space in it'], /ASCII/],
    [['星河星河星河星河'], /ASCII/],
    [['secret-one', 'x:secret-one'], /x is the same key/],
  ])('refuses %j', (texts, message) => {
    const create = (): ApiKeys => new ApiKeys({ keys: texts });
    expect(create).toThrow(InputError);
    expect(create).toThrow(message);
    expect(create).not.toThrow(/secret-one/);
  });
});

describe('readKeyFile', () => {
  it('takes one key a line', () => {
    const path = join(folder, 'keys');
    writeFileSync(path, '# who may ask\r\n\r\nsecret-one\r\nteam:secret-two\n');
    expect(readKeyFile(path)).toEqual(['secret-one', 'team:secret-two']);
  });

  it('refuses a file that is not there, and one without keys', () => {
    expect(() => readKeyFile(join(folder, 'absent'))).toThrow(/cannot be read: no such file or folder/);
    writeFileSync(join(folder, 'empty'), '# none\n');
    expect(() => readKeyFile(join(folder, 'empty'))).toThrow(/holds no key/);
  });
});
