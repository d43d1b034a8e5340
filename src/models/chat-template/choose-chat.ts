/** Which chat format a model is talked to in: its family's own, a chat template among its files, or one that was named. */
import { readFileSync } from 'node:fs';
import { InputError } from '../../errors/index.js';
import { fileStatus } from '../../formats/index.js';
import type { TemplateValues } from '../../templates/index.js';
import type { ChatFormat } from '../chat-format.js';
import { isPublishedChat, PUBLISHED_CHATS, publishedChat } from '../published-chats.js';
import { templateChat } from './template-chat.js';
import { modelTemplates, type NamedTemplate } from './template-source.js';

export interface ChatWishes {
  /** A Jinja file, or a name: see `BUILT_IN_CHATS`, "model", or one of several templates of the model. Default: see `chooseChat`. */
  readonly template?: string | undefined;
  /** Variables of the template, such as `enable_thinking`. */
  readonly values?: TemplateValues | undefined;
}

/** What is known of the model. */
export interface ChatModel {
  /** Folders or files where its templates may lie; the first that has any counts. */
  readonly paths: readonly string[];
  readonly endTokenIds: readonly number[];
  /** The family's own format; undefined: it has none. */
  readonly own: ChatFormat | undefined;
}

export type ChosenChat =
  | { readonly kind: 'own'; readonly format: ChatFormat }
  | {
      readonly kind: 'template';
      readonly format: ChatFormat;
      readonly text: string;
      readonly toolTemplate: string | undefined;
      readonly source: string;
    };

/** ChatML in few words, for models that were trained in it and do not bring it along. */
const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const CHATML_NAME = 'chatml';

export const BUILT_IN_CHATS: readonly string[] = [...PUBLISHED_CHATS, CHATML_NAME];

/**
 * Without a wish: the family's own format where it has one, else the template among the model's files.
 * @returns undefined where there is neither
 * @throws InputError for a name that there is not, a template that cannot be read, variables for a format that is no template
 */
export function chooseChat(
  { paths, endTokenIds, own }: ChatModel,
  { template, values }: ChatWishes = {},
): ChosenChat | undefined {
  const published =
    template !== undefined && isPublishedChat(template) ? publishedChat(template, endTokenIds) : undefined;
  const format = template === undefined ? own : published;
  if (format !== undefined) {
    if (values !== undefined && Object.keys(values).length > 0)
      throw new InputError(
        `chat: ${Object.keys(values).join(', ')} are variables of chat templates, and the format here is none; ` +
          'name a template with --chat-template, or leave them out.',
      );
    return { kind: 'own', format };
  }
  const named =
    template === CHATML_NAME
      ? { name: CHATML_NAME, text: CHATML, source: 'chat template chatml' }
      : namedTemplate(paths, template);
  if (named === undefined) return undefined;
  const { text, source } = named;
  const toolTemplate =
    named.name === 'default' ? templatesOf(paths).find(({ name }) => name === 'tool_use')?.text : undefined;
  const rendered = templateChat(text, { endTokenIds, values, source, toolTemplate });
  return { kind: 'template', format: rendered, text, toolTemplate, source };
}

function templatesOf(paths: readonly string[]): readonly NamedTemplate[] {
  for (const path of paths) {
    const templates = modelTemplates(path);
    if (templates.length > 0) return templates;
  }
  return [];
}

/** Names a template among the model's files; undefined: the one for plain conversations. */
function namedTemplate(paths: readonly string[], wish: string | undefined): NamedTemplate | undefined {
  if (wish !== undefined && fileStatus(wish)?.isFile() === true)
    return { name: 'file', text: readFileSync(wish, 'utf8'), source: wish };
  const templates = templatesOf(paths);
  const find = (wanted: string): NamedTemplate | undefined => templates.find(({ name }) => name === wanted);
  if (wish === undefined) return find('default');
  const found = wish === 'model' ? find('default') : find(wish);
  if (found !== undefined) return found;
  const own = templates.map(({ name }) => name).filter((name) => name !== 'default');
  const names = [...(find('default') === undefined ? [] : ['model']), ...own, ...BUILT_IN_CHATS];
  if (wish === 'model')
    throw new InputError(
      `${paths.join(', ')}: no chat template there (chat_template.jinja, or chat_template in tokenizer_config.json); ` +
        `name a file, or one of ${names.join(', ')}.`,
    );
  throw new InputError(
    `--chat-template: ${wish} is no file and no name of a format; name a Jinja file, or one of ${names.join(', ')}.`,
  );
}
