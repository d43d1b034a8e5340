/** What else than the model differs between runs: some of it forbids a comparison, some of it is to be said beside the numbers. */
import type { RecordedRun, RecordedSample, RecordedTask } from './recorded-run.js';

export interface Incomparable {
  readonly refusals: readonly string[];
  readonly warnings: readonly string[];
}

/** @param common the samples of all runs, by rows */
export function settingsThatDiffer(
  task: string,
  runs: readonly RecordedRun[],
  labels: readonly string[],
  common: readonly (readonly RecordedSample[])[],
): Incomparable {
  const reports = runs.flatMap(({ result }) => result.tasks.find((report) => report.task === task) ?? []);
  const refusals: string[] = [];
  const warnings: string[] = [];
  const list = (values: readonly unknown[]): string =>
    values.map((value, place) => `${labels[place]}: ${String(value ?? 'none')}`).join(', ');
  const note = (what: string, values: readonly unknown[]): void => {
    if (new Set(values).size > 1) warnings.push(`${what} (${list(values)})`);
  };
  const versions = reports.map(({ version }) => version);
  if (new Set(versions).size > 1)
    refusals.push(
      `${task}: the runs measured different versions of the task (${list(versions)}); evaluate both with one version of xinghe.`,
    );
  const isSameSetup = new Set(reports.map(setupOf)).size === 1 && sameOf(runs, ({ split }) => split);
  if (new Set(reports.map(({ data }) => data.sha256)).size > 1) {
    const changed = common.find(hasOtherTarget);
    if (isSameSetup || changed !== undefined)
      refusals.push(
        `${task}: the runs read different files (SHA-256 ${list(reports.map(({ data }) => data.sha256.slice(0, 12)))})` +
          `${changed === undefined ? '' : `, and ${changed[0]?.id} has another answer in them`}; evaluate both on the same data.`,
      );
    else
      warnings.push(
        'other files were read (examples, splits); the answers of the common samples are the same',
      );
  }
  note(
    'other examples before the question, --shots',
    reports.map(({ shots }) => shots),
  );
  note(
    'other mode',
    reports.map(({ mode }) => mode),
  );
  note(
    'other form',
    reports.map(({ form }) => form),
  );
  note(
    '--cot',
    reports.map(({ cot }) => cot),
  );
  note(
    '--limit',
    runs.map(({ result }) => result.limit),
  );
  note(
    '--split',
    runs.map(({ result }) => result.split),
  );
  note(
    '--max-new-tokens',
    runs.map(({ result }) => result.max_new_tokens),
  );
  note(
    'other number of examples left out for length',
    reports.map((report) => report.dropped_shots),
  );
  for (const [place, { failures }] of reports.entries())
    if (failures.length > 0)
      warnings.push(
        `${labels[place]} is not complete: ${failures.reduce((sum, { count }) => sum + count, 0)} samples could not be asked`,
      );
  const sizes = runs.map(({ samples }) => samples.get(task)?.length ?? 0);
  if (sizes.some((size) => size !== common.length))
    warnings.push(`only the ${common.length} samples in common are compared (${list(sizes)})`);
  return {
    refusals:
      common.length === 0
        ? [...refusals, `${task}: the runs have no sample in common (${list(sizes)} samples).`]
        : refusals,
    warnings,
  };
}

function setupOf({ shots, cot, mode }: RecordedTask): string {
  return `${shots} ${cot} ${mode === 'predictions'}`;
}

function sameOf(runs: readonly RecordedRun[], pick: (result: RecordedRun['result']) => unknown): boolean {
  return new Set(runs.map(({ result }) => pick(result) ?? null)).size === 1;
}

function hasOtherTarget(row: readonly RecordedSample[]): boolean {
  return new Set(row.map(({ target }) => JSON.stringify(target))).size > 1;
}
