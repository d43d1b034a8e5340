/** The help pages of all commands, by asking each of them: nothing is listed twice. */
import type { Command } from '../main.js';
import { type HelpPage, HelpRequest } from '../options.js';

export interface CollectedPage {
  /** "data prepare" */
  readonly name: string;
  /** undefined: a command of several, whose text lists them. */
  readonly page: HelpPage | undefined;
  readonly text: string;
}

/** Every command and subcommand, in the order of the overview. */
export async function collectPages(commands: Readonly<Record<string, Command>>): Promise<CollectedPage[]> {
  const pages: CollectedPage[] = [];
  for (const [name, { load, subcommands = [] }] of Object.entries(commands)) {
    const run = await load();
    const own = await pageOf(name, run, []);
    pages.push(own);
    for (const verb of [...subcommands, ...(own.page === undefined ? verbsIn(own.text) : [])])
      pages.push(await pageOf(`${name} ${verb}`, run, [verb]));
  }
  return pages;
}

async function pageOf(
  name: string,
  run: (args: readonly string[]) => Promise<number>,
  words: readonly string[],
): Promise<CollectedPage> {
  try {
    await run([...words, '--help']);
  } catch (error) {
    if (error instanceof HelpRequest) return { name, page: error.page, text: error.message };
    throw error;
  }
  throw new TypeError(`xinghe ${name} --help gave no page`);
}

/** Lines such as "  prepare  records to rows". */
export function verbsIn(text: string): string[] {
  return [...text.matchAll(/^ {2}([a-z][a-z-]*) {2,}\S/gm)].map(([, verb = '']) => verb);
}
