/**
 * A group of lm-evaluation-harness: the tasks that it names, measured together. Where all are asked in one way the group is one
 * task with a score for each of them; else they stay apart.
 */

import { z } from 'zod';
import { parseConfig } from '../../../config/index.js';
import type { SetReader } from '../../sets/set-reader.js';
import type { LoadedSet, LoadOptions, Sample, Task } from '../../task.js';
import type { HarnessFile } from './harness-file.js';
import type { HarnessIndex } from './harness-index.js';
import { type HarnessTask, harnessTask } from './harness-task.js';

const text = z.string().min(1);
const groupSchema = z.looseObject({
  group: text,
  group_alias: text.nullish(),
  task: z.union([
    text.transform((one) => [one]),
    z.array(z.union([text, z.record(text, z.unknown())])).min(1),
  ]),
  aggregate_metric_list: z
    .union([
      z.array(
        z.strictObject({
          metric: text,
          aggregation: z.literal('mean', 'only "mean" is an aggregation of a group').default('mean'),
          weight_by_size: z.boolean().default(true),
          filter_list: z.union([text, z.array(text)]).nullish(),
        }),
      ),
      z.null(),
    ])
    .optional(),
  metadata: z.record(text, z.unknown()).nullish(),
});

/** Keys of the group itself; others go to all its tasks. */
const OWN_KEYS = new Set([
  'group',
  'group_alias',
  'task',
  'aggregate_metric_list',
  'metadata',
  'tag',
  'task_list',
]);

interface Member {
  readonly task: HarnessTask;
  /** Groups below the top, outermost first. */
  readonly groups: readonly string[];
}

type Content = Readonly<Record<string, unknown>>;

/** @throws InputError for members that are not there or cannot be had */
export function harnessGroup(
  file: HarnessFile,
  index: HarnessIndex,
  data: string | undefined,
): readonly Task[] {
  const config = parseConfig(groupSchema, file.content, {
    source: file.path,
    placeOf: (path) => file.lineOf(path),
  });
  const members = membersOf(file, file.content, {
    index,
    data,
    groups: [],
    overrides: {},
    above: [config.group],
  });
  const [first] = members;
  if (first === undefined) throw file.fault(['task'], `the group ${config.group} has no tasks.`);
  const isOneWay = members.every(
    ({ task }) =>
      task.defaultMode === first.task.defaultMode &&
      task.metrics.join() === first.task.metrics.join() &&
      task.allowsSeveralOutputs === first.task.allowsSeveralOutputs,
  );
  if (!isOneWay) return members.map(({ task }) => task);
  const names = new Set(members.map(({ task }) => task.name));
  const isBySize = (config.aggregate_metric_list ?? []).every(({ weight_by_size: bySize }) => bySize);
  const version = Number(config.metadata?.version ?? 1);
  return [
    {
      ...first.task,
      name: config.group,
      title: config.group_alias ?? config.group,
      version: Number.isFinite(version) ? version : 1,
      root: file.folder,
      source: `${members.length} tasks`,
      ...(!isBySize && {
        averages: [{ over: 'tasks', groups: (all) => all.filter((name) => names.has(name)) }],
      }),
      load: (reader, options) => loadAll(reader, options, members),
    },
  ];
}

interface Walk {
  readonly index: HarnessIndex;
  readonly data: string | undefined;
  readonly groups: readonly string[];
  /** What groups above give to their tasks. */
  readonly overrides: Content;
  /** Groups that are being walked. */
  readonly above: readonly string[];
}

function membersOf(file: HarnessFile, content: Content, walk: Walk): Member[] {
  const own = Object.fromEntries(
    Object.entries(content).filter(([key]) => !OWN_KEYS.has(key) && key !== 'include'),
  );
  const overrides = { ...own, ...walk.overrides };
  return [content.task].flat().flatMap((item: unknown): Member[] => {
    if (typeof item === 'string') return named(item, file, { ...walk, overrides });
    if (typeof item !== 'object' || item === null) return [];
    const entry: Content = { ...item };
    const { task, group } = entry;
    if (typeof group === 'string') {
      const deeper = { ...walk, overrides, groups: [...walk.groups, group], above: [...walk.above, group] };
      const known = walk.index.entries.get(group);
      if (known?.kind !== 'group') return membersOf(file, entry, deeper);
      const { group: _, ...more } = entry;
      return named(group, file, { ...walk, overrides: { ...overrides, ...more } });
    }
    if (typeof task !== 'string')
      throw file.fault(['task'], `a member needs "task" or "group", got ${JSON.stringify(item)}.`);
    const { task: _, ...more } = entry;
    if (walk.index.entries.has(task))
      return named(task, file, { ...walk, overrides: { ...overrides, ...more } });
    // A task that stands in the group's own file.
    const inline = file.with({
      ...overrides,
      ...more,
      task,
      group: undefined,
      aggregate_metric_list: undefined,
      group_alias: undefined,
    });
    return [{ task: harnessTask(inline, walk.data), groups: walk.groups }];
  });
}

function named(name: string, file: HarnessFile, walk: Walk): Member[] {
  const entry = walk.index.find(name, file);
  switch (entry.kind) {
    case 'task':
      return [{ task: harnessTask(entry.file.with(walk.overrides), walk.data), groups: walk.groups }];
    case 'tag':
      return entry.tasks.flatMap((task) =>
        named(task, file, { ...walk, groups: withName(walk.groups, name) }),
      );
    case 'group': {
      if (walk.above.includes(name)) throw file.fault(['task'], `the group ${name} is in itself.`);
      return membersOf(entry.file, entry.file.content, {
        ...walk,
        groups: withName(walk.groups, name),
        above: [...walk.above, name],
      });
    }
  }
}

function withName(groups: readonly string[], name: string): readonly string[] {
  return groups.includes(name) ? groups : [...groups, name];
}

async function loadAll(
  reader: SetReader,
  options: LoadOptions,
  members: readonly Member[],
): Promise<LoadedSet> {
  const samples: Sample[] = [];
  const notes: string[] = [];
  for (const { task, groups } of members) {
    const shots = options.isShotsWanted || !options.needsPrompts ? options.shots : task.defaultShots;
    const loaded = await task.load(reader, { ...options, shots });
    notes.push(...loaded.notes.map((note) => `${task.name}: ${note}`));
    samples.push(
      ...loaded.samples.map((sample) => ({
        ...sample,
        // Files of several tasks may have one name.
        id: `${task.name}/${sample.id}`,
        file: task.name,
        groups: [...groups, task.name],
      })),
    );
  }
  return { samples, notes };
}
