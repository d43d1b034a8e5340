/** Commands that are several: `xinghe data prepare`, each verb in a file of its own, loaded when it is called. */
import { InputError } from '../errors/index.js';
import { EXIT_BAD_INPUT, HelpRequest } from './options.js';

type Verb = () => Promise<(args: readonly string[]) => Promise<number>>;

/**
 * @param command as people type it: "xinghe data" @param help printed where the verb is missing
 * @throws InputError for a verb that is not there
 */
export async function runVerb(
  command: string,
  verbs: Readonly<Record<string, Verb>>,
  help: string,
  [name, ...rest]: readonly string[],
): Promise<number> {
  if (name === '--help' || name === '-h') throw new HelpRequest(help);
  if (name === undefined) {
    process.stdout.write(help);
    return EXIT_BAD_INPUT;
  }
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (verb === undefined)
    throw new InputError(
      `${command}: "${name}" is no subcommand; there are ${Object.keys(verbs).join(', ')}`,
    );
  return (await verb())(rest);
}
