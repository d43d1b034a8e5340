/** The GGUF model at a path, opened once for all who ask for a part of it. */
import { formatByEnding } from '../../checkpoint/index.js';
import {
  fileStatus,
  findGgufIn,
  type GgufModel,
  isGgufFile,
  listFolder,
  openGgufModel,
} from '../../formats/index.js';
import { findConfigIn } from '../registry.js';

/** The last one: its vocabulary is large, and it is asked for many times in a row. */
let opened: { readonly version: string; readonly model: WeakRef<GgufModel> } | undefined;

/**
 * @param path a file (any part of several), or a folder of nothing else: beside a config or other weights a .gguf is another copy
 * @returns undefined where no GGUF is meant
 * @throws InputError for damage, missing parts, several models in a folder
 */
export function ggufAt(path: string): GgufModel | undefined {
  const file = fileStatus(path)?.isDirectory() === true ? fileIn(path) : isGgufFile(path) ? path : undefined;
  if (file === undefined) return undefined;
  const { size, mtimeMs, ino } = fileStatus(file) ?? {};
  const version = [file, size, mtimeMs, ino].join('\n');
  const known = opened?.version === version ? opened.model.deref() : undefined;
  if (known !== undefined) return known;
  const model = openGgufModel(file);
  opened = { version, model: new WeakRef(model) };
  return model;
}

function fileIn(folder: string): string | undefined {
  if (findConfigIn(folder) !== undefined) return undefined;
  const formats = new Set(listFolder(folder).flatMap((name) => formatByEnding(name) ?? []));
  return formats.size === 1 && formats.has('gguf') ? findGgufIn(folder) : undefined;
}
