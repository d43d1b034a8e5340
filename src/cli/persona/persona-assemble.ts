/** `xinghe persona assemble`: a prompt for each question of a template. */
import { checkWritable, writeFileAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import {
  assemblePrompts,
  loadPromptForm,
  openingOf,
  PROMPT_FORMS,
  promptsText,
  readCharacter,
  readTemplate,
} from '../../persona/index.js';
import { type OptionSpec, parseOptions } from '../options.js';

/** Who it is, and what is asked. */
export const assembleOptions = {
  attributes: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'a table of attributes (JSON, YAML, CSV; names of one thing with "|" between), or a role card',
  },
  template: {
    kind: 'string',
    value: 'FILE',
    help: 'lines of {"input","target"}; default: ours, all attributes in Chinese and English',
  },
  form: {
    kind: 'string',
    value: 'NAME|FILE',
    help: `the text of a prompt: ${Object.keys(PROMPT_FORMS).join(', ')}, or a file with {attr}, {input} and {target}; default published`,
  },
} as const satisfies Record<string, OptionSpec>;

const specs = {
  ...assembleOptions,
  output: {
    kind: 'string',
    value: 'FILE',
    required: true,
    help: 'a prompt a line; records that say what each asks where it ends in .jsonl',
  },
  json: { kind: 'flag', help: 'print counts as JSON on stdout' },
} as const satisfies Record<string, OptionSpec>;

export async function personaAssemble(args: readonly string[]): Promise<number> {
  const options = parseOptions(
    { command: 'xinghe persona assemble', summary: 'a prompt for each question of a template' },
    specs,
    args,
  );
  const character = await readCharacter(options.attributes);
  const form = loadPromptForm(options.form);
  const template = readTemplate(options.template);
  checkWritable(options.output);
  const { prompts, joined } = assemblePrompts(template, character.persona, form, openingOf(character));
  writeFileAtomic(options.output, promptsText(prompts, options.output));
  const counts = {
    prompts: prompts.length,
    attributes: character.persona.attributes.length,
    line_breaks_joined: joined,
  };
  if (joined > 0) log(`${joined} prompts had line breaks, which became <ret>: a prompt is one line`);
  process.stdout.write(
    options.json
      ? `${JSON.stringify(counts)}\n`
      : `${counts.prompts} prompts of ${counts.attributes} attributes in ${options.output}\n`,
  );
  return 0;
}
