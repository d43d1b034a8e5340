/** Tasks, groups and tags of lm-evaluation-harness by their names, from all files below a folder. */
import { didYouMeanHint } from '../../../config/index.js';
import type { HarnessFile } from './harness-file.js';

export type HarnessEntry =
  | { readonly kind: 'task'; readonly file: HarnessFile }
  | { readonly kind: 'group'; readonly file: HarnessFile }
  | { readonly kind: 'tag'; readonly tasks: readonly string[] };

export class HarnessIndex {
  readonly #entries = new Map<string, HarnessEntry>();

  /** @param files in order of their paths: the first of a name counts, as in the harness */
  constructor(files: readonly HarnessFile[]) {
    for (const file of files) {
      const { task, group, tag } = file.content;
      if (typeof group === 'string' && typeof task !== 'string') this.#add(group, { kind: 'group', file });
      else if (typeof task === 'string') {
        this.#add(task, { kind: 'task', file });
        for (const name of [tag, group].flat()) if (typeof name === 'string') this.#tag(name, task);
      }
    }
  }

  get entries(): ReadonlyMap<string, HarnessEntry> {
    return this.#entries;
  }

  /** @throws InputError for a name that no file has */
  find(name: string, from: HarnessFile): HarnessEntry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    throw from.fault(
      ['task'],
      `no file below ${from.folder} has a task, group or tag "${name}".${didYouMeanHint(name, this.#entries.keys())}`,
    );
  }

  #add(name: string, entry: HarnessEntry): void {
    const known = this.#entries.get(name);
    if (known === undefined || known.kind === 'tag') this.#entries.set(name, entry);
  }

  #tag(name: string, task: string): void {
    const known = this.#entries.get(name);
    if (known === undefined) this.#entries.set(name, { kind: 'tag', tasks: [task] });
    else if (known.kind === 'tag') this.#entries.set(name, { kind: 'tag', tasks: [...known.tasks, task] });
  }
}
