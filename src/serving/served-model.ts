/**
 * What the HTTP side knows of a served model: its names, its tokenizer, its chat format, its defaults. No weights and no
 * libtorch: the model itself is behind the EngineService.
 */
import { basename, dirname, resolve } from 'node:path';
import { InputError } from '../errors/index.js';
import { type GenerationDefaults, readGenerationDefaults } from '../generation/index.js';
import {
  type Architecture,
  type ChatFormat,
  type ChatMessage,
  type ChatWishes,
  type ChosenChat,
  chooseModelChat,
  cutContents,
  encodeCut,
  loadModelArchitecture,
  loadModelTokenizer,
} from '../models/index.js';
import type { RenderedTemplate } from '../templates/index.js';
import type { Tokenizer } from '../tokenizers/index.js';
import { type ChatTurn, renderFamilyChat } from './chat-prompt.js';

export interface ModelFiles {
  /** Model folder or weight file. */
  readonly path: string;
  /** A config that lies elsewhere. */
  readonly configPath?: string | undefined;
  /** Default: the tokenizer in the model folder. */
  readonly tokenizerPath?: string | undefined;
}

export interface LoadServedModelOptions extends ModelFiles {
  /** The model id of the API. Default: the name of the folder (or of the file, without its ending). */
  readonly id?: string | undefined;
  /** Longest prompt and answer together. Default: what the config calls the model's length. */
  readonly maxModelLength?: number | undefined;
  /** Names of special tokens within messages become these tokens. Default false: they are text. */
  readonly parsesSpecial?: boolean | undefined;
  /** Default: the family's own format, else the template among the model's files. */
  readonly chat?: ChatWishes | undefined;
  /** Seconds since 1970. Default: now. */
  readonly created?: number | undefined;
}

export interface RenderChatOptions {
  /** False: the conversation as it stands, without the opening of an answer. Default true. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** The last message, the assistant's, is the beginning of the answer. Default false. */
  readonly continueFinalMessage?: boolean | undefined;
}

export interface ServedModel {
  /** Its name in the API. Adapters are models of their own names (EngineService.adapters). */
  readonly id: string;
  readonly architecture: Architecture;
  readonly tokenizer: Tokenizer;
  readonly defaults: GenerationDefaults;
  /** End every answer: of the config, of generation_config.json, of the chat format. */
  readonly stopTokenIds: readonly number[];
  /** Why this tokenizer cannot be chatted with; undefined when it can. */
  readonly chatFault: string | undefined;
  /** Longest prompt and answer together, as far as the files say; the engine may allow less. */
  readonly maxModelLength: number;
  /** Names of special tokens within messages become these tokens. */
  readonly parsesSpecial: boolean;
  /** Characters (UTF-16 units) of the longest token: no text of more than n times that has n tokens or fewer. */
  readonly longestToken: number;
  /** Seconds since 1970. */
  readonly created: number;
  /** The Jinja template that conversations are rendered by; undefined: the family's own format. */
  readonly template: ServedTemplate | undefined;
  /**
   * In the family's own format. Conversations of a model with a template are rendered elsewhere, and come to `encodeRendered`.
   * @throws InputError for a conversation that the format cannot render, a tokenizer without the family's tokens
   */
  renderChat(turns: readonly ChatTurn[], options?: RenderChatOptions): number[];
  /** In the same format; the oldest turns are left out where it is longer than `maxLength`. @throws InputError */
  renderDialog(messages: readonly ChatMessage[], maxLength: number): number[];
  /**
   * Ids of a text; special tokens in it are recognised.
   * @param addSpecialTokens default true
   */
  encode(text: string, addSpecialTokens?: boolean): number[];
  /** Ids of what a chat template made of a conversation. @throws InputError as `cutContents` */
  encodeRendered(rendered: Pick<RenderedTemplate, 'text' | 'marked'>): number[];
}

export interface ServedTemplate {
  readonly text: string;
  /** Takes its place where there are tools; undefined: the same for all. */
  readonly toolTemplate: string | undefined;
  /** Variables that the operator set; those of a request go before them. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** @throws InputError for a missing or faulty config, tokenizer or generation_config.json */
export function loadServedModel(options: LoadServedModelOptions): ServedModel {
  const { path, configPath, tokenizerPath } = options;
  const architecture = loadModelArchitecture(path, configPath);
  const tokenizer = loadModelTokenizer(architecture, tokenizerPath ?? path);
  const defaults = readGenerationDefaults(path);
  const paths = tokenizerPath === undefined ? [path] : [tokenizerPath, path];
  return createServedModel({
    id: options.id ?? modelName(path),
    architecture,
    tokenizer,
    defaults,
    chat: chooseModelChat(architecture, paths, options.chat),
    templateValues: options.chat?.values,
    parsesSpecial: options.parsesSpecial,
    ...(options.maxModelLength !== undefined && { maxModelLength: options.maxModelLength }),
    ...(options.created !== undefined && { created: options.created }),
  });
}

/** Folders whose name says what they are in a run or a download, and not which model lies in them. */
const NAMELESS = new Set(['model', 'final', 'hf', 'weights', 'checkpoint']);

/** The name of a model's folder or file, or of the folder around it. */
export function modelName(path: string): string {
  const own = basename(resolve(path)).replace(/\.(gguf|safetensors)$/, '');
  const around = basename(dirname(resolve(path)));
  return NAMELESS.has(own) && around !== '' ? around : own;
}

export interface ServedModelParts {
  readonly id: string;
  readonly architecture: Architecture;
  readonly tokenizer: Tokenizer;
  readonly defaults?: GenerationDefaults;
  /** Default: the family's own format. */
  readonly chat?: ChosenChat | undefined;
  readonly templateValues?: ServedTemplate['values'] | undefined;
  readonly maxModelLength?: number;
  readonly parsesSpecial?: boolean | undefined;
  readonly created?: number;
}

/** Out of parts that are in memory already. */
export function createServedModel(parts: ServedModelParts): ServedModel {
  const { id, architecture, tokenizer, defaults = { eosTokenIds: [] }, parsesSpecial = false } = parts;
  const { chat: chosen, templateValues: values = {} } = parts;
  const format = chosen?.format ?? architecture.chat;
  const chat = chatStops(format, tokenizer);
  const stops = [...architecture.eosTokenIds, ...defaults.eosTokenIds, ...chat.stops];
  let longest: number | undefined;
  return {
    id,
    architecture,
    tokenizer,
    defaults,
    stopTokenIds: [...new Set(stops)].filter((stop) => stop < architecture.shape.vocabSize),
    chatFault: chat.fault,
    maxModelLength: parts.maxModelLength ?? architecture.shape.contextLength,
    get longestToken() {
      longest ??= longestToken(tokenizer);
      return longest;
    },
    created: parts.created ?? Math.floor(Date.now() / 1000),
    template:
      chosen?.kind === 'template'
        ? { text: chosen.text, toolTemplate: chosen.toolTemplate, values }
        : undefined,
    renderChat: (turns, renderOptions) =>
      renderFamilyChat(format, tokenizer, turns, { ...renderOptions, parsesSpecial }),
    renderDialog: (messages, maxLength) =>
      format.renderPrompt(messages, tokenizer, { maxLength, parsesSpecial }),
    parsesSpecial,
    encode: (text, addSpecialTokens = true) => tokenizer.encode(text, { addSpecialTokens }),
    encodeRendered: (rendered) => encodeCut(cutContents(rendered, tokenizer, parsesSpecial), tokenizer),
  };
}

/** A model without its family's chat tokens can still continue texts. */
function chatStops(
  format: ChatFormat,
  tokenizer: Tokenizer,
): { stops: readonly number[]; fault: string | undefined } {
  try {
    return { stops: format.stopTokenIds(tokenizer), fault: undefined };
  } catch (error) {
    if (error instanceof InputError) return { stops: [], fault: error.message };
    throw error;
  }
}

function longestToken(tokenizer: Tokenizer): number {
  let longest = 1;
  for (let id = 0; id < tokenizer.vocabSize; id++) longest = Math.max(longest, tokenLength(tokenizer, id));
  return longest;
}

/** Ids between the tokens of a tokenizer.json may be unused. */
function tokenLength(tokenizer: Tokenizer, id: number): number {
  try {
    return tokenizer.idToToken(id).length;
  } catch (error) {
    if (error instanceof InputError) return 0;
    throw error;
  }
}
