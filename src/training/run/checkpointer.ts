/** The checkpoints of a run: what it keeps on disk so that it can be resumed, and how that is put back. */
import { readFileSync } from 'node:fs';
import {
  adapterContent,
  type ElementRange,
  type NameTable,
  type PublishedTensor,
  pieceStart,
  publishedTensors,
  saveAdapter,
} from '../../checkpoint/index.js';
import { fileStatus, writeFolderAtomic } from '../../formats/index.js';
import { log } from '../../log/index.js';
import type { LoraLinear } from '../../lora/index.js';
import {
  type AuxiliaryFile,
  auxiliaryFilesOf,
  type LoadedModel,
  SCORE,
  tokenizerSource,
} from '../../models/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import type { RunCheckpointManifest } from '../checkpoints/manifest.js';
import { openCheckpointFolder, type RunCheckpointStore } from '../checkpoints/run-checkpoint-store.js';
import type { SnapshotFile, SnapshotTensor } from '../checkpoints/snapshot.js';
import type { RunRanks } from '../parallel/run-ranks.js';
import type { TrainConfig } from './run-config.js';
import type { RunParts } from './run-parts.js';
import type { RunRows } from './run-rows.js';
import { type RunIdentity, type RunProgress, restoreRun, takeSnapshot } from './run-state.js';
import type { Checkpointer, SaveReason } from './train-rows-options.js';

/** A checkpoint to go on from. */
export interface RunStart {
  readonly path: string;
  readonly manifest: RunCheckpointManifest;
}

/**
 * @param resume `auto` for the newest of the run, undefined if it has none; or the folder of a checkpoint
 * @throws InputError if there are only damaged ones, or none where one is named
 */
export function findStart(store: RunCheckpointStore, resume: string): RunStart | undefined {
  if (resume === 'auto') return store.steps().length === 0 ? undefined : store.newest();
  return { path: resume, manifest: openCheckpointFolder(resume) };
}

/** What of a run goes into its checkpoints. */
export interface CheckpointedRun {
  readonly config: TrainConfig;
  readonly loaded: LoadedModel;
  /** Trained instead of the weights. */
  readonly adapters: Map<string, LoraLinear> | undefined;
  readonly data: RunRows;
  readonly store: RunCheckpointStore;
  readonly tokenizerPath: string;
  /** The checkpoint to go on from. */
  readonly start: RunStart | undefined;
  /** The ranks that share the run; undefined: this process alone. */
  readonly ranks: RunRanks | undefined;
}

/** The checkpoints of one run: weights or adapter, optimiser, everything that a resumed run needs. */
export class RunCheckpointer implements Checkpointer {
  readonly every: number;
  readonly #run: CheckpointedRun;
  #parts: RunParts | undefined;
  /** The step whose checkpoint was written last, or is on its way. */
  #savedStep: number | undefined;

  constructor(run: CheckpointedRun) {
    this.#run = run;
    this.every = run.config.checkpoints.every;
  }

  async save(progress: RunProgress, parts: RunParts, reason: SaveReason): Promise<void> {
    this.#parts = parts;
    const { keep_best: keepBest } = this.#run.config.checkpoints;
    if (reason === 'best' && !keepBest) return;
    if (reason === 'best') this.#run.store.markBest(progress.step);
    // The best evaluation of this very step has written the same.
    if ((reason === 'due' || reason === 'last') && this.#savedStep === progress.step) return;
    const snapshot = takeSnapshot(
      progress,
      this.#identity(parts),
      parts.trainer,
      parts.dropout,
      this.#files(parts),
    );
    const isSaved = await this.#run.store.save(progress.step, snapshot, reason === 'interrupted');
    if (isSaved) this.#savedStep = progress.step;
  }

  async restore(parts: RunParts, which: 'start' | 'newest'): Promise<RunProgress | undefined> {
    this.#parts = parts;
    this.#savedStep = undefined;
    await this.#run.store.wait();
    const from = which === 'start' ? this.#run.start : this.#newestOrNone();
    if (from === undefined) return undefined;
    return this.#restoreFrom(from, parts);
  }

  /** After the last step: with keep_best, back to the weights of the best evaluation. */
  async finish({ best, step }: RunProgress): Promise<void> {
    await this.#run.store.wait();
    const parts = this.#parts;
    if (
      !this.#run.config.checkpoints.keep_best ||
      best === undefined ||
      best.step === step ||
      parts === undefined
    )
      return;
    const path = this.#run.store.pathOf(best.step);
    if (fileStatus(path) === undefined) {
      log(`warning: the best checkpoint, ${path}, is gone; the final model is that of the last step`);
      return;
    }
    log(`final model: the weights of step ${best.step}, whose evaluation loss was the lowest`);
    this.#restoreFrom({ path, manifest: openCheckpointFolder(path) }, parts, 'weights');
  }

  async writeAdapter(folder: string): Promise<void> {
    const { model, architecture } = this.#run.loaded;
    await writeFolderAtomic(
      folder,
      (temporary) =>
        saveAdapter(model, architecture.names, temporary, this.#run.config.model.path, this.#wholeLayers),
      { replace: true },
    );
  }

  #restoreFrom({ path, manifest }: RunStart, parts: RunParts, what: 'all' | 'weights' = 'all'): RunProgress {
    const isAdapter = this.#run.adapters !== undefined;
    const { architecture } = this.#run.loaded;
    const progress = restoreRun(path, manifest, this.#identity(parts), {
      trainer: parts.trainer,
      dropout: parts.dropout,
      parameters: wholeTensors(parts, parts.parameters, architecture.names),
      weights: isAdapter ? 'adapter_model.safetensors' : '.',
      nameIn: (name) => (isAdapter ? `base_model.model.${name}` : name),
      what,
    });
    if (progress.best !== undefined) this.#run.store.markBest(progress.best.step);
    log(`${what === 'all' ? 'resumed' : 'took the weights'} from ${path} (step ${progress.step})`);
    return progress;
  }

  /** Trained beside adapters. */
  get #wholeLayers(): readonly string[] {
    return this.#run.loaded.architecture.output === 'score' ? [SCORE] : [];
  }

  #newestOrNone(): RunStart | undefined {
    return this.#run.store.steps().length === 0 ? undefined : this.#run.store.newest();
  }

  #identity({ totalSteps, rowsPerStep }: RunParts): RunIdentity {
    return { config: this.#run.config, totalSteps, dataRows: this.#run.data.rows.rowCount, rowsPerStep };
  }

  #files(parts: RunParts): SnapshotFile[] {
    const { model, architecture } = this.#run.loaded;
    if (this.#run.adapters !== undefined) {
      const { weightFile, tensors, configFile, config } = adapterContent(
        model,
        architecture.names,
        this.#run.config.model.path,
        this.#wholeLayers,
      );
      const own = new Map([...parts.parameters].map(([path, tensor]) => [tensor, path]));
      const saved = tensors.map(([name, parameter]) => {
        const path = own.get(parameter);
        if (path === undefined) throw new TypeError(`${name} is saved and not trained`);
        const shape = parts.trainer.wholeShape(path);
        return ownElements({ name, path, parameter, piece: undefined, shape }, parts);
      });
      return [
        { path: weightFile, content: { kind: 'tensors', tensors: saved } },
        { path: configFile, content: { kind: 'bytes', bytes: Buffer.from(config) } },
      ];
    }
    const tensors = wholeTensors(parts, model.namedParameters(), architecture.names).map((tensor) =>
      ownElements(tensor, parts),
    );
    return [
      { path: 'model.safetensors', content: { kind: 'tensors', tensors } },
      ...auxiliaryFilesOf(
        this.#run.loaded,
        tokenizerSource(this.#run.tokenizerPath),
        this.#run.data.chatTemplate,
      ).map(
        ({ name, content }): SnapshotFile => ({
          path: name,
          content: {
            kind: 'bytes',
            bytes: auxiliaryFileBytes(content),
          },
        }),
      ),
    ];
  }
}

/** What files hold of parameters, of which this rank may have parts. */
function wholeTensors(
  { trainer }: RunParts,
  parameters: Iterable<readonly [path: string, parameter: Tensor]>,
  names: NameTable,
): PublishedTensor[] {
  return publishedTensors(parameters, names, (path) => trainer.wholeShape(path));
}

/** What this rank has of a trained parameter: all of it, where it is alone. */
function ownElements(tensor: PublishedTensor, { trainer }: RunParts): SnapshotTensor {
  const { name, path, parameter, shape } = tensor;
  const { ranges: all, values } = trainer.ownPart(path);
  const first = pieceStart(tensor);
  const end = first + shape.reduce((product, size) => product * size, 1);
  const ranges: ElementRange[] = [];
  let [before, count, passed] = [0, 0, 0];
  for (const { start, length } of values === undefined ? [] : all) {
    const [from, to] = [Math.max(first, start), Math.min(end, start + length)];
    if (from < to) {
      // A piece is an index of the first dimension: what is there of it follows one another.
      if (ranges.length === 0) before = passed + from - start;
      ranges.push({ start: from - first, length: to - from });
      count += to - from;
    }
    passed += length;
  }
  const bytes = (): Uint8Array => {
    if (values === undefined || count === 0) return new Uint8Array(0);
    if (values.numElements === count) return values.toBytes();
    return scope(() => values.detach().reshape([values.numElements]).narrow(0, before, count).toBytes());
  };
  return { name, dtype: parameter.dtype, shape, ranges, bytes };
}

function auxiliaryFileBytes(content: AuxiliaryFile['content']): Uint8Array {
  if (typeof content === 'string') return Buffer.from(content);
  return content instanceof Uint8Array ? content : readFileSync(content.file);
}
