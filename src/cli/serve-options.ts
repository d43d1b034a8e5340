/** The options of `xinghe serve`, and what they mean to the server. */
import { statSync } from 'node:fs';
import { InputError } from '../errors/index.js';
import { log } from '../log/index.js';
import { parseTemplateValues } from '../models/index.js';
import { type AdapterInfo, ApiKeys, readKeyFile, type ServeOptions } from '../serving/index.js';
import { parseByteSize } from './byte-size.js';
import { chatOptions } from './chat-options.js';
import { integerOptions, modelOptions } from './model-options.js';
import type { OptionSpec, OptionValues } from './options.js';

const { model, hub, config, dtype, device, threads } = modelOptions;

export const serveSpecs = {
  model,
  hub,
  host: { kind: 'string', value: 'ADDRESS', help: 'default 127.0.0.1: this machine alone' },
  port: { kind: 'integer', min: 0, help: 'default 8000; 0: one that is free' },
  'api-key-file': { kind: 'string', value: 'FILE', help: 'keys that callers must have, one a line' },
  'admin-key-file': { kind: 'string', value: 'FILE', help: 'keys that may load and unload adapters as well' },
  'allow-open': { kind: 'flag', help: 'listen on other addresses without keys' },
  'allow-origin': { kind: 'strings', value: 'ORIGIN…', help: 'web pages of others that may call' },
  'allow-host': {
    kind: 'strings',
    value: 'NAME…',
    help: 'further names of this server, where it has no keys',
  },
  'trust-proxy': {
    kind: 'strings',
    value: 'ADDRESS…',
    help: 'proxies whose X-Forwarded-For the log believes, e.g. 127.0.0.1 10.0.0.0/8',
  },
  adapter: { kind: 'strings', value: 'NAME=PATH…', help: 'LoRA adapters, each a model of its own name' },
  'served-model-name': {
    kind: 'string',
    value: 'NAME',
    help: 'default: name of the model folder, or of the one around "model", "final", …',
  },
  tokenizer: {
    kind: 'string',
    value: 'PATH',
    place: 'tokenizer',
    help: 'default: the one in the model folder',
  },
  ...chatOptions,
  'parse-special': {
    kind: 'flag',
    help: 'names of special tokens in messages become these tokens; default: text',
  },
  'allow-chat-template': { kind: 'flag', help: 'requests may bring templates of their own' },
  config,
  dtype,
  device,
  threads,
  ...integerOptions,
  'max-model-len': { kind: 'integer', min: 1, help: 'tokens of prompt and answer; default: as the model' },
  'max-sequences': { kind: 'integer', min: 1, help: 'texts that run together; default 64' },
  'max-batch-tokens': { kind: 'integer', min: 1, help: 'tokens of one step; default 512' },
  'kv-cache-memory': { kind: 'string', value: 'SIZE', help: 'e.g. 8GB; default: by the free memory' },
  'kv-cache-tokens': { kind: 'integer', min: 1, help: 'the same in tokens' },
  'kv-dtype': {
    kind: 'string',
    allowedValues: ['auto', 'int8'],
    help: 'int8 holds twice as many; default auto',
  },
  'no-prefix-cache': { kind: 'flag', help: 'compute beginnings that were seen before again' },
  'share-prefixes': {
    kind: 'flag',
    help: 'keys find beginnings of each other in the cache, and can tell so',
  },
  speculate: { kind: 'integer', min: 0, help: 'tokens guessed from repetitions in the text; default 0' },
  'allow-priority': { kind: 'flag', help: 'every caller may say whose request goes first' },
  pooling: {
    kind: 'string',
    allowedValues: ['last', 'mean'],
    help: 'of /v1/embeddings: the last token, or the mean over all; default last',
  },
  'max-queued-requests': { kind: 'integer', min: 1, help: 'further ones get 429; default 256' },
  'max-queued-tokens': { kind: 'integer', min: 1, help: 'of their prompts together; default 262144' },
  'max-requests-per-key': {
    kind: 'integer',
    min: 0,
    help: 'under way at the same time; default 0, no limit',
  },
  'drain-timeout': { kind: 'number', min: 0, help: 'seconds for requests under way at the end; default 30' },
  'stall-timeout': {
    kind: 'number',
    min: 0.1,
    help: 'seconds without a step until health fails; default 60',
  },
  'open-metrics': { kind: 'flag', help: '/metrics needs no key' },
  quiet: { kind: 'flag', help: 'no line for each request on stderr' },
} as const satisfies Record<string, OptionSpec>;

export type ServeCommandOptions = OptionValues<typeof serveSpecs>;

const DEFAULT_QUEUE = { maxRequests: 256, maxTokens: 262_144 };
export const DEFAULT_DRAIN_SECONDS = 30;

/** @throws InputError for options that contradict each other, key files that cannot be used */
export function readServeOptions(options: ServeCommandOptions, version: string): ServeOptions {
  const cacheMemory = options['kv-cache-memory'];
  const cacheTokens = options['kv-cache-tokens'];
  if (cacheMemory !== undefined && cacheTokens !== undefined)
    throw new InputError('xinghe serve: give --kv-cache-memory or --kv-cache-tokens, not both');
  const { port = 8000 } = options;
  if (port > 65_535) throw new InputError(`xinghe serve: --port is ${port}; give 0 to 65535`);
  if (options['served-model-name'] === '')
    throw new InputError('xinghe serve: --served-model-name is empty; give a name');
  return {
    version,
    model: {
      path: options.model,
      id: options['served-model-name'],
      configPath: options.config,
      tokenizerPath: options.tokenizer,
      parsesSpecial: options['parse-special'],
      chat: {
        template: options['chat-template'],
        values: parseTemplateValues(options['template-set']),
      },
    },
    engine: {
      dtype: options.dtype,
      device: options.device,
      threads: options.threads,
      integerActivations: options['integer-activations'],
      settings: {
        maxLength: options['max-model-len'],
        maxSequences: options['max-sequences'],
        maxBatchTokens: options['max-batch-tokens'],
        cacheTokens,
        cacheBytes: cacheMemory === undefined ? undefined : parseByteSize('--kv-cache-memory', cacheMemory),
        kvDType: options['kv-dtype'] === 'int8' ? 'int8' : undefined,
        prefixCache: !options['no-prefix-cache'],
        maxDrafts: options.speculate,
      },
    },
    adapters: readAdapters(options.adapter),
    queue: {
      maxRequests: options['max-queued-requests'] ?? DEFAULT_QUEUE.maxRequests,
      maxTokens: options['max-queued-tokens'] ?? DEFAULT_QUEUE.maxTokens,
    },
    stallSeconds: options['stall-timeout'],
    allowChatTemplate: options['allow-chat-template'],
    allowPriority: options['allow-priority'],
    sharePrefixes: options['share-prefixes'],
    pooling: options.pooling === 'mean' ? 'mean' : 'last',
    openMetrics: options['open-metrics'],
    http: {
      host: options.host,
      port,
      keys: readKeys(options),
      allowOpen: options['allow-open'],
      allowedOrigins: options['allow-origin'],
      allowedHosts: options['allow-host'],
      trustedProxies: options['trust-proxy'],
      maxConcurrentPerKey: options['max-requests-per-key'],
      ...(options.quiet && { accessLog: null }),
    },
  };
}

function readAdapters(given: readonly string[]): AdapterInfo[] {
  const adapters = given.map((text) => {
    const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (name === undefined || path === undefined)
      throw new InputError(`xinghe serve: --adapter is "${text}"; give NAME=PATH`);
    return { name, path };
  });
  for (const [index, { name }] of adapters.entries())
    if (adapters.findIndex((other) => other.name === name) !== index)
      throw new InputError(`xinghe serve: two adapters are named "${name}"; give each a name of its own`);
  return adapters;
}

/** Of the files, and of XINGHE_API_KEY and XINGHE_ADMIN_KEY in the environment. */
function readKeys(options: ServeCommandOptions): ApiKeys {
  const keysOf = (file: string | undefined, variable: string): string[] => {
    const given = process.env[variable];
    if (file !== undefined) warnIfOpen(file);
    return [...(file === undefined ? [] : readKeyFile(file)), ...(given ? [given] : [])];
  };
  return new ApiKeys({
    keys: keysOf(options['api-key-file'], 'XINGHE_API_KEY'),
    adminKeys: keysOf(options['admin-key-file'], 'XINGHE_ADMIN_KEY'),
  });
}

/** A file that cannot be looked at is told of by who reads it. */
function warnIfOpen(file: string): void {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) !== 0)
    log(`warning: other users of this machine may read ${file}; chmod 600 keeps it yours.`);
}
