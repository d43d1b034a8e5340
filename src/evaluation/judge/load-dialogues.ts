/** The dialogues that runs have answered: ours, or those of one's own. */
import { type LoadedTask, loadSamples } from '../run/load-samples.js';
import { planTasks } from '../run/plan-tasks.js';
import { dialogueOf } from '../tasks/dialogue/dialogue.js';

export interface DialogueSource {
  readonly dialogues: string | undefined;
  readonly limit: number | undefined;
}

/** @throws InputError where they are not there, or not of their form */
export async function loadDialogues({ dialogues, limit }: DialogueSource): Promise<LoadedTask> {
  const { tasks } = planTasks({
    task: 'dialogue',
    preset: undefined,
    data: undefined,
    shots: undefined,
    isCot: false,
    mode: undefined,
    form: undefined,
    forms: undefined,
  });
  const [plan] = tasks;
  if (plan === undefined) throw new RangeError('there is no task of dialogues');
  const own = dialogues === undefined ? plan : { ...plan, task: dialogueOf(dialogues) };
  return loadSamples(
    own,
    { tasks: [own], limit, output: '', overwrite: false, command: [] },
    new Set<string>(),
  );
}
