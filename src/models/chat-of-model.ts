/** The chat format of a model that was read: its family's own, or that of its chat template. */
import { InputError } from '../errors/index.js';
import type { ChatFormat } from './chat-format.js';
import { type ChatWishes, type ChosenChat, chooseChat } from './chat-template/index.js';
import type { Architecture } from './family.js';

/**
 * @param paths where its templates may lie; the first that has any counts
 * @returns undefined for a family without a format of its own and files without a template
 * @throws InputError as `chooseChat`
 */
export function chooseModelChat(
  architecture: Architecture,
  paths: readonly string[],
  wishes: ChatWishes = {},
): ChosenChat | undefined {
  const { chat, hasChatFormat, eosTokenIds } = architecture;
  return chooseChat({ paths, endTokenIds: eosTokenIds, own: hasChatFormat ? chat : undefined }, wishes);
}

/** @throws InputError as `chooseChat`; without any format the result refuses every conversation by name */
export function modelChat(
  architecture: Architecture,
  paths: readonly string[],
  wishes: ChatWishes = {},
): ChatFormat {
  return chooseModelChat(architecture, paths, wishes)?.format ?? architecture.chat;
}

/** Of words `name=value` on a command line; a value that is JSON is what it says. @throws InputError */
export function parseTemplateValues(words: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(word) ?? [];
      if (name === undefined || value === undefined)
        throw new InputError(`--template-set is "${word}"; give NAME=VALUE, e.g. enable_thinking=false`);
      try {
        const parsed: unknown = JSON.parse(value);
        return [name, parsed];
      } catch {
        return [name, value];
      }
    }),
  );
}
