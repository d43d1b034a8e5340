/** A conversion to transformers' Llama: what it may be asked for with, and what its folder holds beside the tensors. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAdapterHalf, type PlannedTensor } from '../../checkpoint/index.js';
import { InputError } from '../../errors/index.js';
import {
  dtypeBytes,
  type FileDtype,
  memoryView,
  readJsonFile,
  writeFileAtomic,
} from '../../formats/index.js';
import { log } from '../../log/index.js';
import { parseSentencePieceModel } from '../../tokenizers/index.js';
import type { LlamaForm } from '../llama-parts/llama-form.js';
import { isFileTarget } from './conversion-target.js';
import type { ConvertOptions } from './convert-options.js';
import type { ConversionSource } from './open-source.js';

/** @returns undefined unless it is asked for @throws InputError where it cannot be written */
export function llamaTarget(options: ConvertOptions, source: ConversionSource): LlamaForm | undefined {
  if (options.as === undefined) return undefined;
  const { from } = options;
  const { architecture, family, model } = source;
  const refuse = (problem: string): InputError => new InputError(`${from}: --as llama: ${problem}.`);
  if (architecture === undefined)
    throw refuse(
      family === undefined
        ? 'no family here knows these tensors'
        : "the form depends on the model's config, which does not lie beside the weights; give it with --config",
    );
  const { llama } = architecture;
  if (llama === undefined) throw refuse(`transformers knows ${architecture.family} by itself; leave it away`);
  if ('unsupported' in llama) throw refuse(llama.unsupported);
  if (architecture.output === 'score') throw refuse('a reward model is no causal Llama');
  if (isFileTarget(options))
    throw refuse('the config says what the tensors are, so name a folder, not a file');
  if (options.names !== undefined || options.layout !== undefined || options.adapterNaming !== undefined)
    throw refuse(
      "the tensors have Llama's names and lie whole; leave --names, --layout and --adapter-names away",
    );
  if (options.states === 'keep') throw refuse('there is no place for optimiser states');
  if (options.vocabulary !== undefined || options.merge !== undefined)
    throw refuse('extend the vocabulary and merge adapters first, then convert that: two conversions');
  if ([...model.weights.keys()].some(isAdapterHalf))
    throw refuse('it holds LoRA matrices; merge them first (--merge)');
  return llama;
}

/** Biases of zero, in the dtype of the other tensors. */
export function zeroTensors({ zeros }: LlamaForm, dtype: FileDtype): PlannedTensor[] {
  return [...zeros].map(([name, length]) => {
    const view = memoryView(name, dtype, [length], new Uint8Array(length * dtypeBytes(dtype)));
    return { name, view, dtype, shape: view.shape, paths: [] };
  });
}

/**
 * Over the files of the source that were copied: its config, and the class of its tokenizer.
 * @param to what `folder` becomes, for messages
 */
export function writeLlamaFiles(
  folder: string,
  { config, remarks }: LlamaForm,
  dtype: FileDtype,
  to: string,
): void {
  for (const name of ['model_config.yaml', 'model_config.yml']) rmSync(join(folder, name), { force: true });
  writeJson(join(folder, 'config.json'), { ...config, torch_dtype: dtype });
  writeTokenizerClass(folder, to);
  for (const remark of remarks) log(`${to}: ${remark}`);
}

/** A class of the published code would have to be fetched with it. */
function writeTokenizerClass(folder: string, to: string): void {
  const path = join(folder, 'tokenizer_config.json');
  const hasJson = existsSync(join(folder, 'tokenizer.json'));
  const hasModel = existsSync(join(folder, 'tokenizer.model'));
  if (!hasJson && !hasModel) return;
  const existing = existsSync(path) ? readJsonFile(path) : {};
  const { auto_map: _, ...kept } = typeof existing === 'object' && existing !== null ? Object(existing) : {};
  if (!hasJson) warnOfRules(folder, to);
  // LlamaTokenizer puts the first token before a text unless it is told not to.
  writeJson(path, {
    ...(hasJson ? {} : { add_bos_token: false, add_eos_token: false }),
    ...kept,
    tokenizer_class: hasJson ? 'PreTrainedTokenizerFast' : 'LlamaTokenizer',
  });
}

/** What transformers does not read out of a SentencePiece model. */
function warnOfRules(folder: string, to: string): void {
  const path = join(folder, 'tokenizer.model');
  const { charsmap, addDummyPrefix, removeExtraWhitespaces } = parseSentencePieceModel(
    readFileSync(path),
    path,
  );
  const rules = [
    ...(charsmap.length > 0 ? ['characters are normalised'] : []),
    ...(removeExtraWhitespaces ? ['spaces in a row become one'] : []),
    ...(addDummyPrefix ? [] : ['no space is put before a text']),
  ];
  if (rules.length > 0)
    log(
      `${join(to, 'tokenizer.model')}: ${rules.join(', ')}, which the LlamaTokenizer of transformers does not do as it is said here; it may give other ids`,
    );
}

function writeJson(path: string, value: object): void {
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
