/** Worked examples of a task of one's own: the first rows of a split in file order, of the same subject where that is asked. */
import { InputError } from '../../errors/index.js';
import { RowFault } from '../sets/set-reader.js';
import type { LoadOptions, Shot } from '../task.js';
import type { SampleMaker } from './own-samples.js';
import type { OwnTaskConfig } from './own-task-schema.js';
import type { RowRecord } from './row-field.js';

export interface RecordedShots {
  readonly rows: readonly { readonly value: RowRecord; readonly source: string }[];
}

/** @throws InputError for fewer than were asked for by name, and for an example that cannot be shown */
export function shotsFor(
  row: RowRecord,
  { rows }: RecordedShots,
  {
    config,
    options,
    maker,
    task,
    notes,
  }: {
    readonly config: OwnTaskConfig;
    readonly options: LoadOptions;
    readonly maker: SampleMaker;
    readonly task: string;
    readonly notes: Set<string>;
  },
): readonly Shot[] {
  const { shots: wanted, isShotsWanted } = options;
  const { examples_match: column } = config;
  if (wanted === 0) return [];
  const like = column === undefined ? rows : rows.filter(({ value }) => value[column] === row[column]);
  const chosen = like.slice(0, wanted);
  const of = column === undefined ? '' : ` with ${column} ${JSON.stringify(row[column])}`;
  if (chosen.length < wanted) {
    if (isShotsWanted)
      throw new InputError(
        `${task}: --shots ${wanted}, but the split ${config.examples_split} has only ${chosen.length} rows${of}; ask for fewer.`,
      );
    notes.add(`${chosen.length} of ${wanted} shots${of}: the split ${config.examples_split} has no more`);
  }
  return chosen.map(({ value, source }) => {
    try {
      return maker.shot(value);
    } catch (error) {
      if (error instanceof RowFault) throw new InputError(`${source}: as an example: ${error.message}`);
      throw error;
    }
  });
}
