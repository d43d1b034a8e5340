/** The config inside a GGUF: the published one in a file that we wrote, else what its keys and tensors mean. */
import { parseJson } from '../../../formats/index.js';
import { ggufAt } from '../../gguf/gguf-at.js';
import { readGgufConfig } from '../../gguf/read-config.js';

/** A key of our own; llama.cpp passes over keys that it does not know. */
export const GGUF_CONFIG_KEY = 'xinghe.config';

export interface EmbeddedConfig {
  readonly config: unknown;
  /** For messages. */
  readonly source: string;
}

/**
 * The config in the GGUF at `path`; undefined if it is none, or one that is a container of tensors and nothing more.
 * @throws InputError for a model that is not read here
 */
export function embeddedConfig(path: string): EmbeddedConfig | undefined {
  const model = ggufAt(path);
  if (model === undefined) return undefined;
  const own = model.metadata.get(GGUF_CONFIG_KEY);
  if (own?.type === 'string') {
    const source = `${path} (${GGUF_CONFIG_KEY})`;
    return { config: parseJson(own.value, source), source };
  }
  if (!model.metadata.has('general.architecture')) return undefined;
  return { config: readGgufConfig(model), source: path };
}
