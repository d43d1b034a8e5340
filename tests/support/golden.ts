/** Golden numbers under tests/support/golden (origin: tests/golden/README.md) as tensors and plain values, for the tests. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openSafetensorsModel, readJsonFile } from '../../src/formats/index.js';
import { isDType, MappedFile, selectDevice, type Tensor } from '../../src/tensor/index.js';

export const goldenFolder = fileURLToPath(new URL('../golden/', import.meta.url));

/** Where golden models are computed: XINGHE_TEST_DEVICE ("cuda", as tools/gpu-check.mjs sets it), else the CPU. */
export const goldenDevice = selectDevice(process.env.XINGHE_TEST_DEVICE ?? 'cpu');

/** The folders of the families' golden models. */
export const goldenModels = [
  'spark',
  'telechat-7b',
  'telechat-12b',
  'telechat-52b',
  'xverse',
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
  'qwen3moe',
] as const;

const sharedFamilies = '../../../shared/golden/families/';

/** Golden models of the Llama layout that lie beside the repository, as folders like `goldenModels`; none where they are absent. */
export const sharedGoldenModels: readonly string[] = existsSync(`${goldenFolder}${sharedFamilies}`)
  ? readdirSync(`${goldenFolder}${sharedFamilies}`)
      .filter((name) => existsSync(`${goldenFolder}${sharedFamilies}${name}/expected.json`))
      .map((name) => sharedFamilies + name)
  : [];

/** The tensors of one golden file. */
export function goldenTensors(path: string): (name: string) => Tensor {
  return safetensorsOf(`${goldenFolder}${path}`);
}

/** The tensors of any safetensors file. */
export function safetensorsOf(file: string): (name: string) => Tensor {
  const { tensors } = openSafetensorsModel(file);
  return (name) => {
    const entry = tensors.get(name);
    if (entry === undefined || !isDType(entry.dtype)) throw new Error(`${file} has no tensor ${name}`);
    const mapped = new MappedFile(file);
    const tensor = mapped.tensor(entry.byteStart, entry.shape, entry.dtype);
    mapped.dispose();
    return tensor;
  };
}

/** A golden JSON file; its form is the caller's word. */
export function goldenJson<Form>(path: string): Form {
  return readJsonFile(`${goldenFolder}${path}`) as Form;
}

/** The largest |a - b|. */
export function maxAbsDifference(a: Tensor, b: Tensor): number {
  const [left, right] = [a, b].map((tensor) => tensor.toDevice('cpu').to('float64'));
  if (left === undefined || right === undefined) throw new TypeError('two tensors are compared');
  return left.sub(right).abs().max().item();
}
