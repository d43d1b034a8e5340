/** The command of ranks that are started again after a failure. */

/** Commands that train. */
const TRAINING: readonly (string | undefined)[] = ['train', 'run'];

/** `train` and `run` go on from their newest checkpoint, unless the command says from where. */
export function resumingArguments(command: readonly string[]): readonly string[] {
  const [name, ...args] = command;
  if (
    name === undefined ||
    !TRAINING.includes(name) ||
    args.some((arg) => arg === '--resume' || arg.startsWith('--resume='))
  )
    return command;
  // In front: the arguments may end with a list.
  return [name, '--resume', 'auto', ...args];
}
