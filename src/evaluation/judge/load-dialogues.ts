/** The dialogues that runs have answered: ours, those below --data, or a file of one's own. */
import { type LoadedTask, loadSamples } from '../run/load-samples.js';
import { planTasks } from '../run/plan-tasks.js';
import { dialogueOfFile } from '../tasks/dialogue/dialogue.js';

export interface DialogueSource {
  readonly data: string | undefined;
  readonly dialogues: string | undefined;
  readonly limit: number | undefined;
}

/** @throws InputError where they are not there, or not of their form */
export async function loadDialogues({ data, dialogues, limit }: DialogueSource): Promise<LoadedTask> {
  const { tasks } = planTasks({
    task: 'dialogue',
    preset: undefined,
    data,
    shots: undefined,
    isCot: false,
    mode: undefined,
    form: undefined,
    forms: undefined,
  });
  const [plan] = tasks;
  if (plan === undefined) throw new RangeError('there is no task of dialogues');
  const own = dialogues === undefined ? plan : { ...plan, task: dialogueOfFile(dialogues) };
  return loadSamples(
    own,
    { tasks: [own], data, limit, output: '', overwrite: false, command: [] },
    new Set<string>(),
  );
}
