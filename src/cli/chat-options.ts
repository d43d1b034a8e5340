/** Of the chat format. */
import {
  BUILT_IN_CHATS,
  type ChatFormat,
  type ChosenChat,
  chooseModelChat,
  type LoadedModel,
  parseTemplateValues,
} from '../models/index.js';
import type { OptionSpec, OptionValues } from './options.js';

export const chatOptions = {
  'chat-template': {
    kind: 'string',
    value: 'FILE|NAME',
    help: `a Jinja chat template, "model" for that of the folder, or ${BUILT_IN_CHATS.join(', ')}; default: the family's own format, else the folder's template`,
  },
  'template-set': {
    kind: 'strings',
    value: 'NAME=VALUE…',
    help: 'variables of the template, e.g. enable_thinking=false',
  },
} as const satisfies Record<string, OptionSpec>;

type ChatOptions = OptionValues<typeof chatOptions> & {
  readonly model: string;
  readonly tokenizer: string | undefined;
};

/** @returns undefined for a family without a format and files without a template @throws InputError as `chatByOptions` */
export function chosenChatByOptions(
  options: ChatOptions,
  { architecture }: Pick<LoadedModel, 'architecture'>,
): ChosenChat | undefined {
  const { model, tokenizer } = options;
  return chooseModelChat(architecture, tokenizer === undefined ? [model] : [tokenizer, model], {
    template: options['chat-template'],
    values: parseTemplateValues(options['template-set']),
  });
}

/** @throws InputError for a template that there is not, or that cannot be read */
export function chatByOptions(options: ChatOptions, loaded: Pick<LoadedModel, 'architecture'>): ChatFormat {
  return chosenChatByOptions(options, loaded)?.format ?? loaded.architecture.chat;
}
