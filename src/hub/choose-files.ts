/** Which files of a repository are fetched. */
import { InputError } from '../errors/index.js';

/** Containers of weights, the one that is preferred first. The others of a repository hold the same weights again. */
const CONTAINERS: readonly RegExp[] = [/\.safetensors$/, /\.bin$/, /\.(pt|pth)$/, /\.ckpt$/, /\.gguf$/];
const WEIGHTS =
  /\.(safetensors|bin|pt|pth|ckpt|gguf|h5|msgpack|onnx|onnx_data|ot|npz|tflite|mlmodel|pdparams)(\.index\.json)?$/;

export interface ChosenFiles {
  readonly wanted: readonly string[];
  readonly leftOut: readonly string[];
}

/**
 * @param place what it is for: of a tokenizer no weights, of data all or what `path` names
 * @param path a file or folder of the repository; empty: all
 * @throws InputError for a path that is not there, and for several GGUF files of which none is named
 */
export function chooseFiles(
  files: readonly string[],
  place: 'model' | 'tokenizer' | 'data',
  path: string,
  repository: string,
): ChosenFiles {
  if (place === 'data' || (path !== '' && !WEIGHTS.test(path))) return named(files, path, repository);
  const isOther = (file: string): boolean => !WEIGHTS.test(file);
  if (place === 'tokenizer') return split(files, isOther);
  if (path !== '') {
    named(files, path, repository);
    return split(files, (file) => file === path || isOther(file));
  }
  // Weights of the model lie at the top; folders hold other forms of them.
  const top = files.filter((file) => !file.includes('/'));
  const container = CONTAINERS.find((each) => top.some((file) => each.test(file)));
  const chosen = top.filter((file) => container?.test(file.replace(/\.index\.json$/, '')));
  const packed = chosen.filter((file) => file.endsWith('.gguf'));
  if (packed.length > 1 && !packed.every((file) => /-\d{5}-of-\d{5}\.gguf$/.test(file)))
    throw new InputError(
      `${repository}: holds ${packed.length} GGUF files; name one of them: ${repository}/${packed.join(`, ${repository}/`)}.`,
    );
  const weights = new Set(chosen);
  return split(files, (file) => weights.has(file) || isOther(file));
}

function named(files: readonly string[], path: string, repository: string): ChosenFiles {
  const chosen = split(files, (file) => path === '' || file === path || file.startsWith(`${path}/`));
  if (chosen.wanted.length > 0) return chosen;
  throw new InputError(
    `${repository}: has no file ${path}; there are ${files.slice(0, 8).join(', ')}${files.length > 8 ? ', …' : ''}.`,
  );
}

function split(files: readonly string[], isWanted: (file: string) => boolean): ChosenFiles {
  return { wanted: files.filter(isWanted), leftOut: files.filter((file) => !isWanted(file)) };
}
