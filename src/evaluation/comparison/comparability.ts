/** What else than the model differs between runs: some of it forbids a comparison, some of it is to be said beside the numbers. */
import type { ComparisonWarning, WarningKind } from '../report/page/comparison-warning.js';
import type { RecordedRun, RecordedSample, RecordedTask } from './recorded-run.js';

export interface Incomparable {
  readonly refusals: readonly string[];
  readonly warnings: readonly ComparisonWarning[];
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
  const warnings: ComparisonWarning[] = [];
  const list = (values: readonly unknown[]): string =>
    values.map((value, place) => `${labels[place]}: ${String(value ?? 'none')}`).join(', ');
  const note = (kind: WarningKind, values: readonly unknown[]): void => {
    if (new Set(values).size > 1) warnings.push({ kind, values: list(values), count: 0 });
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
    else warnings.push({ kind: 'files', values: '', count: 0 });
  }
  note(
    'shots',
    reports.map(({ shots }) => shots),
  );
  note(
    'mode',
    reports.map(({ mode }) => mode),
  );
  note(
    'form',
    reports.map(({ form }) => form),
  );
  note(
    'cot',
    reports.map(({ cot }) => cot),
  );
  note(
    'limit',
    runs.map(({ result }) => result.limit),
  );
  note(
    'split',
    runs.map(({ result }) => result.split),
  );
  note(
    'answer-length',
    runs.map(({ result }) => result.max_new_tokens),
  );
  note(
    'dropped-shots',
    reports.map((report) => report.dropped_shots),
  );
  for (const [place, { failures }] of reports.entries())
    if (failures.length > 0)
      warnings.push({
        kind: 'incomplete',
        values: labels[place] ?? '',
        count: failures.reduce((sum, { count }) => sum + count, 0),
      });
  const sizes = runs.map(({ samples }) => samples.get(task)?.length ?? 0);
  if (sizes.some((size) => size !== common.length))
    warnings.push({ kind: 'common', values: list(sizes), count: common.length });
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
