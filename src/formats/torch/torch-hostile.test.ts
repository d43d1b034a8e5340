/** What files of others may hold: pickles that would run programs, bombs, damage; and files of another kind. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenFolder } from '../../../tests/support/golden.js';
import { readTensorBytes } from '../tensors/file-tensor.js';
import { readTorchFile } from './torch-reader.js';
import { ZipWriter } from './zip-writer.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'torch-hostile-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A torch archive with this pickle and further entries. */
function archive(
  name: string,
  pickle: Uint8Array | string,
  entries: readonly (readonly [string, string])[] = [],
): string {
  const chunks: Uint8Array[] = [];
  const zip = new ZipWriter((chunk) => chunks.push(Buffer.from(chunk)));
  for (const [entry, content] of [['data.pkl', pickle] as const, ...entries]) {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    zip.entry(`archive/${entry}`, bytes.length, (write) => write(bytes));
  }
  zip.finish();
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat(chunks));
  return path;
}

const MAGIC = '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.';

describe('hostile pickles', () => {
  const marker = (): string => join(folder, 'executed');
  it.each([
    [
      'os.system by GLOBAL and REDUCE',
      (path: string) => `cos\nsystem\n(S'touch ${path}'\ntR.`,
      'os.system at byte 0',
    ],
    [
      'posix.system by STACK_GLOBAL',
      () => '\x80\x04\x8c\x05posix\x8c\x06system\x93.',
      'posix.system at byte 17',
    ],
    [
      'builtins.eval under its name of Python 2',
      () => '\x80\x02c__builtin__\neval\n.',
      'builtins.eval at byte 2',
    ],
    ['a package that looks like a kept one', () => 'cdeepspeed_evil\nrun\n.', 'deepspeed_evil.run at byte 0'],
    ['a function inside torch', () => 'ctorch.hub\nload\n.', 'torch.hub.load at byte 0'],
    ['getattr', () => 'cbuiltins\ngetattr\n.', 'builtins.getattr at byte 0'],
  ])('%s is refused by name and nothing runs', (_, pickle, named) => {
    for (const path of [archive('evil.bin', pickle(marker())), join(folder, 'evil.legacy.bin')]) {
      if (path.endsWith('legacy.bin'))
        writeFileSync(path, Buffer.from(`${MAGIC}\x80\x02M\xe9\x03.\x80\x02}.${pickle(marker())}`, 'latin1'));
      const expected = path.endsWith('legacy.bin') ? named.replace(/ at byte.*/, ' at byte') : named;
      expect(() => readTorchFile(path)).toThrow(`the pickle asks for ${expected}`);
      expect(() => readTorchFile(path)).toThrow(path);
    }
    expect(() => readTorchFile(marker())).toThrow('does not exist');
  });

  it('a class of DeepSpeed is kept closed: its arguments and state are data', () => {
    const pickle = '\x80\x02cdeepspeed.runtime\nScaler\n)\x81}X\x01\x00\x00\x00aK\x01sb.';
    expect(readTorchFile(archive('kept.bin', pickle)).root).toMatchObject({
      kind: 'object',
      className: 'deepspeed.runtime.Scaler',
      state: { entries: new Map([['a', 1]]) },
    });
  });

  it.each([
    ['lists nested a million deep', ']'.repeat(1_000_000) + 'a'.repeat(999_999), /nested more than 100 deep/],
    ['five million dicts', '('.concat('}'.repeat(5_000_000), 't'), /more than 16777216 values/],
    ['a list of lists of lists, each ten times', laughs(12), /more than 1048576 values/],
    ['sets copied from one long list', copies(), /more than 16777216 values/],
    ['a text of 4 GB', 'X\xff\xff\xff\xffabc', /4294967295 bytes are due, 4 are left/],
    ['bytes of 2^63', '\x8e\x00\x00\x00\x00\x00\x00\x00\x80', /a length of 9223372036854775808 bytes/],
    [
      'an integer of a million bytes',
      `\x8b\x40\x42\x0f\x00${'a'.repeat(1_000_000)}`,
      /an integer of 1000000 bytes/,
    ],
    ['a memo that was never set', 'h\x05', /memo 5 was never set/],
    ['an unknown opcode', '\x80\x02\x82\x01', /opcode 0x82 is not known here/],
    ['protocol 6', '\x80\x06N', /protocol 6; readable are 0 to 5/],
  ])('%s', (_, pickle, message) => {
    expect(() => readTorchFile(archive('bomb.bin', `${pickle}.`))).toThrow(message);
  });

  it('a list that holds itself ends', () => {
    expect(readTorchFile(archive('self.bin', ']q\x00h\x00a.')).tensors.size).toBe(0);
  });
});

/** [[…] ten times] ten times, `depth` levels. */
function laughs(depth: number): string {
  let pickle = ']q\x00';
  for (let level = 0; level < depth; level++)
    pickle += `(${`h${String.fromCharCode(level)}`.repeat(10)}lq${String.fromCharCode(level + 1)}`;
  return pickle;
}

function copies(): string {
  return `c__builtin__\nset\nq\x01](${'K\x01'.repeat(50_000)}e\x85q\x02${'h\x01h\x02R'.repeat(10_000)}`;
}

describe('damaged and foreign files', () => {
  const tensorOf = (count: number, size: string, stride: string, offset = 'K\x00'): string =>
    `ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK${String.fromCharCode(count)}tQ` +
    `${offset}${size}${stride}\x89)tR.`;

  it.each([
    [
      'shape beyond the storage',
      tensorOf(4, 'K\x05\x85', 'K\x01\x85'),
      /shape \[5\], strides \[1\] and offset 0 leaves its storage of 4/,
    ],
    [
      'offset beyond the storage',
      tensorOf(4, 'K\x02\x85', 'K\x01\x85', 'K\x03'),
      /offset 3 leaves its storage/,
    ],
    [
      'a repeated element of 4 TB',
      tensorOf(4, 'J\xff\xff\xff\x7fM\xff\x01\x86', 'K\x00K\x00\x86'),
      /repeats 1 elements to/,
    ],
    ['a negative stride', tensorOf(4, 'K\x02\x85', 'J\xff\xff\xff\xff\x85'), /no integers from 0/],
    [
      'another storage size',
      tensorOf(3, 'K\x02\x85', 'K\x01\x85'),
      /storage "0" has 16 bytes at byte \d+, its tensors need 12/,
    ],
  ])('%s', (_, pickle, message) => {
    expect(() => readTorchFile(archive('damaged.bin', pickle, [['data/0', '\0'.repeat(16)]]))).toThrow(
      message,
    );
  });

  it('names a storage that is missing', () => {
    const path = archive('missing.bin', tensorOf(4, 'K\x04\x85', 'K\x01\x85'));
    expect(() => readTorchFile(path)).toThrow('the entry "archive/data/0" is missing, but tensors lie in it');
  });

  it('refuses big-endian files', () => {
    expect(() => readTorchFile(archive('big.bin', 'N.', [['byteorder', 'big']]))).toThrow(
      'its byteorder is "big"',
    );
  });

  it('refuses compressed storages, inflates a compressed data.pkl, and refuses one that grows too much', () => {
    const pickle = Buffer.from(tensorOf(4, 'K\x04\x85', 'K\x01\x85'), 'latin1');
    const stored = deflated('a.bin', [
      ['archive/data.pkl', pickle, pickle.length, true],
      ['archive/data/0', Buffer.alloc(16), 16, false],
    ]);
    expect(readTorchFile(stored).tensors.get('')?.shape).toEqual([4]);
    const packed = deflated('b.bin', [
      ['archive/data.pkl', pickle, pickle.length, false],
      ['archive/data/0', Buffer.alloc(16), 16, true],
    ]);
    expect(() => readTorchFile(packed)).toThrow(
      /"archive\/data\/0" is compressed, so that its tensors cannot be read in place/,
    );
    const bomb = deflated('c.bin', [['archive/data.pkl', Buffer.alloc(2 ** 24), 1000, true]]);
    expect(() => readTorchFile(bomb)).toThrow(/cannot be unpacked to 1000 bytes/);
    const large = deflated('d.bin', [['archive/data.pkl', Buffer.alloc(1000), 2 ** 31, true]]);
    expect(() => readTorchFile(large)).toThrow(/has 2147483648 bytes; at most 134217728 are accepted/);
  });

  it.each([
    ['empty', '', /it is empty/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1', /Git LFS pointer/],
    ['a plain pickle', '\x80\x04N.', /a Python pickle, but not one that torch.save wrote/],
    ['a zip archive of something else', undefined, /without data.pkl/],
    ['a tar', `${'a'.repeat(257)}ustar`, /is a tar archive/],
  ])('%s', (_, content, message) => {
    const path =
      content === undefined
        ? deflated('x.zip', [['word/document.xml', Buffer.from('x'), 1, false]])
        : join(folder, 'foreign');
    if (content !== undefined) writeFileSync(path, content, 'latin1');
    expect(() => readTorchFile(path)).toThrow(message);
  });

  it('cut off: names the file and the way out', () => {
    const golden = readTensorBytes({
      name: '',
      dtype: 'uint8',
      shape: [100_000],
      ranges: [{ path: `${goldenFolder}telechat-7b/pytorch_model.bin`, start: 0, end: 100_000 }],
    });
    const path = join(folder, 'cut.bin');
    writeFileSync(path, golden);
    expect(() => readTorchFile(path)).toThrow(
      /cut.bin is not a readable zip archive: it has no end record .* download or save it again/,
    );
  });
});

/** A zip archive whose entries are deflated where said, with the size that is stated. */
function deflated(
  name: string,
  entries: readonly (readonly [name: string, content: Buffer, size: number, deflate: boolean])[],
): string {
  let body = Buffer.alloc(0);
  let directory = Buffer.alloc(0);
  for (const [entry, content, size, deflate] of entries) {
    const bytes = deflate ? deflateRawSync(content) : content;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(deflate ? 8 : 0, 4);
    fields.writeUInt32LE(bytes.length, 14);
    fields.writeUInt32LE(size, 18);
    fields.writeUInt16LE(entry.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(body.length, 10);
    directory = Buffer.concat([
      directory,
      Buffer.from('PK\x01\x02\0\0', 'latin1'),
      fields,
      tail,
      Buffer.from(entry),
    ]);
    body = Buffer.concat([body, Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(entry), bytes]);
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(body.length, 16);
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([body, directory, end]));
  return path;
}
