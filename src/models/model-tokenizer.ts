/** The tokenizer that belongs to a model. */
import { dirname } from 'node:path';
import { InputError } from '../errors/index.js';
import { fileStatus } from '../formats/index.js';
import { loadTokenizer, type Tokenizer } from '../tokenizers/index.js';
import type { Architecture } from './family.js';

/**
 * @param path a tokenizer file or folder, or a model folder that holds one, or the weight file beside it
 * @throws InputError for a missing or faulty tokenizer, or one with more ids than the model's vocabulary
 */
export function loadModelTokenizer(architecture: Architecture, path: string): Tokenizer {
  const source = tokenizerSource(path);
  const tokenizer = loadTokenizer(source, architecture.tokenizerOptions);
  if (tokenizer.vocabSize > architecture.vocabSize)
    throw new InputError(
      `${source}: the tokenizer has ${tokenizer.vocabSize} ids, the model's vocabulary only ` +
        `${architecture.vocabSize}; they do not belong together.`,
    );
  return tokenizer;
}

/** The folder of a weight file; every other path is itself. */
export function tokenizerSource(path: string): string {
  const isWeights = /\.(gguf|safetensors(\.index\.json)?)$/.test(path);
  if (fileStatus(path) === undefined) throw new InputError(`${path} does not exist; check the path.`);
  return isWeights ? dirname(path) : path;
}
