/**
 * The checkpoints of a run: written atomically, in the foreground or on a thread; old ones removed, the newest valid
 * one found.
 */
import { readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, messageOf } from '../../errors/index.js';
import { fileStatus, sha256OfFile } from '../../formats/index.js';
import { formatBytes, log } from '../../log/index.js';
import { mapOrdered } from '../../workers/index.js';
import type { RunRanks } from '../parallel/run-ranks.js';
import { type RunCheckpointManifest, readManifest } from './manifest.js';
import { copySnapshot, MANIFEST_FILE, type Snapshot, snapshotBytes, writeSnapshot } from './snapshot.js';
import { writeSnapshotTogether } from './write-together.js';

/** What the `checkpoints` section says of keeping them. */
export interface CheckpointStoreOptions {
  /** How many are kept; default all. */
  readonly keep_last?: number | undefined;
  /** Steps of which every multiple is kept for good. */
  readonly keep_every?: number | undefined;
  /** Write behind the training. */
  readonly async: boolean;
}

const STEP_FOLDER = /^step-(\d+)$/;
/** Room that must be left when a checkpoint is written. */
const RESERVED_BYTES = 64 * 2 ** 20;

export class RunCheckpointStore {
  /** `checkpoints/` of the run. */
  readonly folder: string;
  readonly #options: CheckpointStoreOptions;
  readonly #ranks: RunRanks | undefined;
  #best: number | undefined;
  #running: Promise<void> | undefined;

  /** @param ranks write together; undefined: this process alone */
  constructor(folder: string, options: CheckpointStoreOptions, ranks?: RunRanks) {
    this.folder = folder;
    this.#options = options;
    this.#ranks = ranks;
    if (options.async && ranks?.isFirst === true)
      log('checkpoints.async: several ranks write their checkpoints together, in the foreground');
  }

  pathOf(step: number): string {
    return join(this.folder, `step-${step}`);
  }

  /** Steps that have a whole checkpoint, rising. */
  steps(): number[] {
    if (fileStatus(this.folder) === undefined) return [];
    return readdirSync(this.folder)
      .flatMap((name) => STEP_FOLDER.exec(name)?.[1] ?? [])
      .map(Number)
      .filter((step) => fileStatus(join(this.pathOf(step), MANIFEST_FILE)) !== undefined)
      .sort((a, b) => a - b);
  }

  /** This one is not removed by age. */
  markBest(step: number): void {
    this.#best = step;
  }

  get best(): number | undefined {
    return this.#best;
  }

  /**
   * Writes a checkpoint. One that cannot be written (full disk) is a warning: the run and the older ones go on.
   * @param mustBeWritten wait for it, and throw what went wrong (the last act of a run that is ended by a signal)
   * @returns true when it is written, or on its way
   */
  async save(step: number, snapshot: Snapshot, mustBeWritten = false): Promise<boolean> {
    await this.wait();
    try {
      if (this.#ranks !== undefined) {
        await writeSnapshotTogether(this.pathOf(step), snapshot, this.#ranks, (bytes) =>
          this.#refuseFullDisk(bytes),
        );
        if (this.#ranks.isFirst) this.#removeOld();
        return true;
      }
      this.#refuseFullDisk(snapshotBytes(snapshot));
      if (mustBeWritten || !this.#options.async) {
        await writeSnapshot(this.pathOf(step), snapshot);
        this.#removeOld();
        return true;
      }
      this.#running = this.#writeBehind(step, copySnapshot(snapshot));
      return true;
    } catch (error) {
      if (mustBeWritten) throw error;
      warn(step, error);
      return false;
    }
  }

  /** Until a checkpoint that is written behind the training is there. */
  async wait(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    await running;
  }

  async #writeBehind(step: number, snapshot: Snapshot): Promise<void> {
    const source = {
      url: new URL('./snapshot-worker.js', import.meta.url),
      load: () => import('./snapshot-worker.js'),
    };
    try {
      // Two threads are asked for so that the work leaves this one; a single input keeps the second idle.
      const inputs = [{ folder: this.pathOf(step), snapshot }];
      for await (const folder of mapOrdered(source, undefined, inputs, { workers: 2 }))
        log(`saved ${folder}`);
      this.#removeOld();
    } catch (error) {
      warn(step, error);
    }
  }

  #refuseFullDisk(bytes: number): void {
    const needed = bytes + RESERVED_BYTES;
    const folder = fileStatus(this.folder) === undefined ? join(this.folder, '..') : this.folder;
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize >= needed) return;
    throw new InputError(
      `${this.folder}: a checkpoint needs ${formatBytes(needed)}, ${formatBytes(bavail * bsize)} are free.`,
    );
  }

  #removeOld(): void {
    const { keep_last: keepLast, keep_every: keepEvery } = this.#options;
    if (keepLast === undefined) return;
    const steps = this.steps();
    for (const step of steps.slice(0, -keepLast)) {
      if (step === this.#best || (keepEvery !== undefined && step % keepEvery === 0)) continue;
      try {
        rmSync(this.pathOf(step), { recursive: true, force: true });
      } catch (error) {
        log(`warning: ${this.pathOf(step)} could not be removed: ${messageOf(error)}`);
      }
    }
  }

  /**
   * The newest checkpoint whose files are those of its manifest; damaged ones are named and passed over.
   * @throws InputError if there is none
   */
  newest(): { readonly path: string; readonly manifest: RunCheckpointManifest } {
    for (const step of this.steps().reverse()) {
      const path = this.pathOf(step);
      try {
        return { path, manifest: openCheckpointFolder(path) };
      } catch (error) {
        log(`warning: ${messageOf(error)}; trying an older one`);
      }
    }
    throw new InputError(`${this.folder} holds no whole checkpoint to resume from.`);
  }
}

/** Whether a folder is a checkpoint of a run, whole or not. */
export function isRunCheckpoint(path: string): boolean {
  return fileStatus(join(path, MANIFEST_FILE)) !== undefined;
}

/** The manifest of a checkpoint whose files have the hashes that it states. @throws InputError if they have not */
export function openCheckpointFolder(path: string): RunCheckpointManifest {
  const manifest = readManifest(join(path, MANIFEST_FILE));
  for (const [name, hash] of Object.entries(manifest.files)) {
    const file = join(path, name);
    if (fileStatus(file) === undefined || sha256OfFile(file) !== hash)
      throw new InputError(`${file} is not what its checkpoint was written with (missing or damaged)`);
  }
  return manifest;
}

function warn(step: number, error: unknown): void {
  log(`warning: the checkpoint of step ${step} was not written: ${messageOf(error)} Training goes on.`);
}
