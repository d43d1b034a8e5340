/**
 * A page that chats with an exported model in the browser: one HTML file with its script inside, and page.json with what it has to
 * know. The model runs in onnxruntime-web, whose two files lie in ort/; nothing is asked of the network.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { productVersion } from '../../config/index.js';
import { InputError } from '../../errors/index.js';
import { fileStatus, readJsonFile, writeFileAtomic } from '../../formats/index.js';
import { type Architecture, chooseModelChat, configValue, isPublishedChat } from '../../models/index.js';
import { findTokenizerFile } from '../../tokenizers/index.js';
import { compiledModule } from '../../workers/index.js';
import type { ExportDType } from '../export-options.js';
import { chatPageBody } from './chat-page-body.js';
import { chatPageStyle } from './chat-page-style.js';
import { type PageChat, type PageModel, RUNTIME_FOLDER, RUNTIME_MODULE, RUNTIME_WASM } from './page-model.js';

export interface ChatPageOptions {
  /** Path of the model, for its name. */
  readonly model: string;
  readonly architecture: Architecture;
  readonly files: readonly string[];
  readonly dtype: ExportDType;
  readonly contextLength: number;
  readonly maskedTokenId: number | undefined;
  /** The package onnxruntime-web, unpacked. Default: whoever opens the page puts its files into ort/. */
  readonly browserRuntime: string | undefined;
}

/**
 * Writes chat.html and page.json into the exported folder, whose tokenizer files are there already.
 * @returns why there is no page; undefined: there is one @throws InputError for a runtime that is not one
 */
export function writeChatPage(folder: string, options: ChatPageOptions): string | undefined {
  const { browserRuntime } = options;
  if (browserRuntime !== undefined) copyRuntime(browserRuntime, folder);
  const described = describe(folder, options);
  if (typeof described === 'string') return described;
  writeFileAtomic(join(folder, 'page.json'), `${JSON.stringify(described, null, 2)}\n`);
  writeFileAtomic(join(folder, 'chat.html'), pageOf(described));
  return undefined;
}

/** @throws InputError if the files are not there */
export function copyRuntime(runtime: string, folder: string): void {
  const places = [join(runtime, 'dist'), runtime];
  const place = places.find((candidate) => fileStatus(join(candidate, RUNTIME_MODULE)) !== undefined);
  if (place === undefined || fileStatus(join(place, RUNTIME_WASM)) === undefined)
    throw new InputError(
      `${runtime}: no ${RUNTIME_MODULE} with ${RUNTIME_WASM} there; name the unpacked package onnxruntime-web ` +
        '(npm pack onnxruntime-web).',
    );
  mkdirSync(join(folder, RUNTIME_FOLDER));
  for (const name of [RUNTIME_MODULE, RUNTIME_WASM])
    copyFileSync(join(place, name), join(folder, RUNTIME_FOLDER, name));
}

const BESIDE = ['tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];

function describe(folder: string, options: ChatPageOptions): PageModel | string {
  const { architecture, files, dtype, contextLength, maskedTokenId } = options;
  const chat = chatOf(architecture, folder);
  if (chat === undefined) return 'the model has no chat format (no chat template among its files)';
  let tokenizer: string;
  try {
    tokenizer = basename(findTokenizerFile(folder));
  } catch (error) {
    if (error instanceof InputError) return 'the model has no tokenizer beside it';
    throw error;
  }
  const { shape, tokenizerOptions } = architecture;
  return {
    name: basename(resolve(options.model)),
    family: architecture.family,
    version: productVersion(),
    dtype,
    graph: files,
    layers: shape.numLayers,
    kvHeads: shape.numKvHeads,
    headDim: shape.headDim,
    contextLength,
    vocabSize: shape.vocabSize,
    tokenizer: {
      file: tokenizer,
      beside: BESIDE.filter((name) => existsSync(join(folder, name))),
      newlineToken: tokenizerOptions?.newlineToken,
    },
    chat,
    endTokenIds: architecture.eosTokenIds,
    maskedTokenId,
    temperature: temperatureOf(folder),
  };
}

function chatOf(architecture: Architecture, folder: string): PageChat | undefined {
  const chosen = chooseModelChat(architecture, [folder]);
  if (chosen?.kind === 'template') return { kind: 'template', text: chosen.text };
  return chosen !== undefined && isPublishedChat(architecture.family)
    ? { kind: 'own', name: architecture.family }
    : undefined;
}

function temperatureOf(folder: string): number {
  const path = join(folder, 'generation_config.json');
  const settings = existsSync(path) ? readJsonFile(path) : undefined;
  const temperature = configValue(settings, 'temperature');
  return configValue(settings, 'do_sample') === true && typeof temperature === 'number' ? temperature : 0;
}

function pageOf({ name }: PageModel): string {
  const script = pageScript();
  const hash = createHash('sha256').update(script).digest('base64');
  // blob: the runtime out of a folder that was picked.
  const policy =
    `default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval' 'sha256-${hash}'; style-src 'unsafe-inline'; ` +
    "connect-src 'self' blob: data:; worker-src 'self' blob:; base-uri 'none'; form-action 'none'";
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>${escaped(name)}</title>`,
    `<style>${chatPageStyle}</style>`,
    '</head>',
    '<body>',
    chatPageBody,
    `<script type="module">${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** Bundled by the set-up. */
function pageScript(): string {
  const script = readFileSync(compiledModule(new URL('./client/page.js', import.meta.url)), 'utf8');
  return script.replaceAll('</script', '<\\/script');
}
