/** `xinghe completion bash|zsh|fish`: a script for the shell, made of the commands' own help. */
import { InputError } from '../errors/index.js';
import { collectPages } from './help/collect-pages.js';
import { type CompletedCommand, SHELLS, shellScript } from './help/completion-scripts.js';
import { translated } from './help/format-page.js';
import { helpLanguage } from './help/help-language.js';
import { commands } from './main.js';
import { HelpRequest, type OptionSpec } from './options.js';

const help = {
  command: 'xinghe completion SHELL',
  summary: 'what a shell needs to complete commands and options: bash, zsh or fish',
};
const specs = {} as const satisfies Record<string, OptionSpec>;

export async function completion(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) throw new HelpRequest(help.summary, { help, specs });
  const [word, ...more] = args;
  const shell = SHELLS.find((each) => each === word);
  if (shell === undefined || more.length > 0)
    throw new InputError(
      `xinghe completion: ${word === undefined ? 'name the shell' : `"${args.join(' ')}" is no shell that is known`}: xinghe ` +
        `completion ${SHELLS.join('|')} (see xinghe completion --help)`,
    );
  process.stdout.write(shellScript(shell, await completedCommands()));
  return 0;
}

async function completedCommands(): Promise<CompletedCommand[]> {
  const language = helpLanguage();
  const pages = await collectPages(commands);
  return pages.map(({ name, page }) => {
    const [first = ''] = name.split(' ');
    const summary = page?.help.summary ?? commands[first]?.summary ?? '';
    return {
      name,
      summary: translated(summary, language),
      options: Object.entries(page?.specs ?? {}).map(([option, { kind, allowedValues, help: text }]) => ({
        name: option,
        takesValue: kind !== 'flag',
        values: allowedValues ?? [],
        help: translated(text, language),
      })),
      words: name === 'completion' ? SHELLS : [],
    };
  });
}
