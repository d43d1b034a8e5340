/** Where a conversion writes to: container, one file or a folder, room on the disk. */
import { realpathSync, statfsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type ContainerFormat,
  container,
  formatByEnding,
  PEFT_PREFIX,
  type PlannedFile,
  type PlannedTensor,
  shardFiles,
} from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { ConvertOptions } from './convert-options.js';

/** Whole tensors in the files of the target. */
export function wholeFiles(
  tensors: readonly PlannedTensor[],
  options: ConvertOptions,
  format: ContainerFormat,
): PlannedFile[] {
  if (isFileTarget(options)) return [{ path: basename(options.to), tensors }];
  const { fileName, indexName } = container(format);
  if (indexName === undefined) {
    if (options.shards !== undefined && options.shards > 1)
      throw new InputError(`${format} files hold a whole model; --shards is for safetensors and bin.`);
    return [{ path: fileName(0, 1), tensors }];
  }
  const isAdapter = tensors.every(({ name }) => name.startsWith(PEFT_PREFIX));
  const rename = (name: string): string =>
    isAdapter ? name.replace(/^(pytorch_)?model/, 'adapter_model') : name;
  return shardFiles(tensors, options, (index, count) => rename(fileName(index, count)));
}

export function targetFormat({ format, to, layout }: ConvertOptions): ContainerFormat {
  const byEnding = fileStatus(to)?.isDirectory() === true ? undefined : formatByEnding(to);
  if (format !== undefined && byEnding !== undefined && format !== byEnding)
    throw new InputError(`${to} has the ending of ${byEnding}, but the format asked for is ${format}.`);
  return format ?? byEnding ?? (layout === undefined ? 'safetensors' : 'ckpt');
}

/** One file, or a folder? */
export function isFileTarget({ to, layout, shards }: ConvertOptions): boolean {
  if (formatByEnding(to) === undefined || fileStatus(to)?.isDirectory() === true) return false;
  if (layout === undefined && (shards === undefined || shards === 1)) return true;
  throw new InputError(
    `${to} names one file; name a folder for ${layout === undefined ? 'shards' : 'ranks'}.`,
  );
}

/** The output may not be the source, lie inside it, or hold it, whatever links lead there. */
export function refuseSamePath({ from, to }: ConvertOptions): void {
  const [source, target] = [realPath(from), realPath(to)];
  const isInside = (inner: string, outer: string): boolean => `${inner}/`.startsWith(`${outer}/`);
  if (!isInside(source, target) && !isInside(target, source)) return;
  throw new InputError(`the output ${to} and the source ${from} lie in each other; name another place.`);
}

/** With links resolved as far as the path exists. */
function realPath(path: string): string {
  const full = resolve(path);
  const parent = dirname(full);
  if (fileStatus(full) !== undefined) return realpathSync(full);
  return parent === full ? full : join(realPath(parent), basename(full));
}

const RESERVED_BYTES = 2 ** 20;

export function refuseFullDisk(folder: string, to: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes + RESERVED_BYTES) return;
  throw new InputError(
    `${to} needs ${bytes} bytes, but its disk has ${free} free; free some space or name another place.`,
  );
}
