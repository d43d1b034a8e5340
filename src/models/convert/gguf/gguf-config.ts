/** The published config inside a GGUF that we wrote: one file is then a whole model. */
import { fileStatus, parseJson, readFileStart, readGgufFile } from '../../../formats/index.js';

/** A key of our own; llama.cpp passes over keys that it does not know. */
export const GGUF_CONFIG_KEY = 'xinghe.config';

export interface EmbeddedConfig {
  readonly config: unknown;
  /** For messages. */
  readonly source: string;
}

/** The config in the file at `path`; undefined if it is no GGUF or has none. */
export function embeddedConfig(path: string): EmbeddedConfig | undefined {
  if (fileStatus(path)?.isFile() !== true) return undefined;
  if (readFileStart(path, 4).toString('latin1') !== 'GGUF') return undefined;
  const value = readGgufFile(path).metadata.get(GGUF_CONFIG_KEY);
  if (value?.type !== 'string') return undefined;
  const source = `${path} (${GGUF_CONFIG_KEY})`;
  return { config: parseJson(value.value, source), source };
}
