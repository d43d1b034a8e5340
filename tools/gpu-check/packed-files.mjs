// Which files of the goldens and of the program go along.

/** Folders of tests/golden/ with a model whose numbers are compared. */
export const goldenModels = [
  ...['spark', 'telechat-7b', 'telechat-12b', 'telechat-52b', 'xverse'],
  ...['llama', 'mistral', 'qwen2', 'qwen3', 'qwen3moe'],
];

const goldenFile =
  /^(config\w*\.json|model_config\.yaml|expected\.(json|safetensors)|train\.(json|safetensors)|model\.safetensors|lora_init\.safetensors)$/;

/** @param {string} model @param {string} name @returns {boolean} the same weights in other containers stay away */
export function isPackedGolden(model, name) {
  return goldenModels.includes(model) && goldenFile.test(name);
}

/** @param {string} path below dist/ @returns {boolean} not types, maps, pages for browsers or sets of questions */
export function isProgramFile(path) {
  return !/\.(d\.ts|map)$/.test(path) && !/^(web|evaluation\/tasks|persona)\//.test(path);
}
