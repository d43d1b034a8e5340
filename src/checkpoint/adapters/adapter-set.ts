/** The adapters that a serving model can choose among, each row of a batch for itself; they come and go at run time. */
import { SelectedOutputs } from '../../distributed/index.js';
import { InputError } from '../../errors/index.js';
import {
  AdapterMapping,
  LoraLinear,
  type LoraOptions,
  type LoraUpdate,
  MultiEmbedding,
  MultiLoraLinear,
} from '../../lora/index.js';
import { Embedding, isLinear, type Linear, type Module } from '../../nn/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import { type AdapterFile, isLinearLayer, readAdapterLayer, readFloats, wholeView } from './adapter-file.js';
import type { AdapterPart } from './adapter-names.js';
import { embeddingOf, openForModel } from './load-adapter.js';

/** A model of which this process has a part, and others have the others. */
export interface AdapterParts {
  /** Of the whole parameter. @param path of a parameter of the model itself; undefined: it is not cut */
  wholeShapeOf(path: string): readonly number[] | undefined;
  /** This process's part of what is beside or in the place of a layer's weight. */
  adapterPart(layer: string, part: AdapterTensor, whole: Tensor): Tensor;
  /** Sums over the processes what each of them has of the inputs of a layer; undefined: each has all of them. */
  sumInputs(layer: string): ((values: Tensor) => Tensor) | undefined;
  /** Puts a layer within what stands around it to choose among its outputs, or rows; false where there is nothing of the kind. */
  placeWithin(path: string, module: Module): boolean;
}

export type AdapterTensor = 'loraA' | 'loraB' | 'loraMagnitude' | 'loraBias' | 'weight' | 'bias';

interface LoadedAdapter {
  readonly index: number;
  /** As it was given to `load`. */
  readonly path: string;
}

/**
 * Linear layers that an adapter touches are wrapped when it is loaded and put back when the last one leaves, so that a
 * model without adapters computes as if there were no set. What a row is given does not depend on the other rows.
 */
export class AdapterSet {
  readonly #model: Module;
  readonly #table: NameTable;
  readonly #rows: AdapterMapping;
  readonly #loaded = new Map<string, LoadedAdapter>();
  readonly #parts: AdapterParts | undefined;
  #nextIndex = 0;

  /** @param names of the model's architecture @param parts where this process has a part of the model @throws InputError for a model that already carries an adapter */
  constructor(model: Module, names: NameTable, parts?: AdapterParts) {
    this.#parts = parts;
    for (const [path, module] of model.namedModules())
      if (module instanceof LoraLinear)
        throw new InputError(`The layer ${path} already carries an adapter; merge it before serving others.`);
    this.#model = model;
    this.#table = names;
    this.#rows = new AdapterMapping(model.namedParameters()[0]?.[1].device);
  }

  /** In order of loading. */
  get names(): string[] {
    return [...this.#loaded.keys()];
  }

  has(name: string): boolean {
    return this.#loaded.has(name);
  }

  /** Where the adapter was loaded from; undefined for an unknown name. */
  pathOf(name: string): string | undefined {
    return this.#loaded.get(name)?.path;
  }

  /** Tells apart what was loaded under one name at different times. @throws InputError for an unknown name */
  version(name: string): number {
    return this.#indexOf(name);
  }

  /**
   * Loads an adapter under a name; on an error everything is as before. Not while a forward pass runs.
   * @param path a PEFT folder, or a file in any container and naming
   * @param options rank and alpha; default: those of adapter_config.json beside the weights
   * @param agree told, before anything is changed, what is wrong; throws that, or what is wrong on another process
   * @throws InputError for a name that is taken, and as `loadAdapter`
   */
  load(
    name: string,
    path: string,
    options?: LoraOptions,
    agree: (fault: unknown) => void = throwFault,
  ): void {
    const index = this.#nextIndex;
    scope(() => {
      let changes: (() => void)[] = [];
      let fault: unknown;
      try {
        changes = this.#changes(name, path, options, index);
      } catch (error) {
        fault = error;
      }
      agree(fault);
      try {
        for (const change of changes) change();
      } catch (error) {
        this.#detach(index); // Memory may run out in the middle.
        throw error;
      }
    });
    this.#loaded.set(name, { index, path });
    this.#nextIndex += 1;
  }

  /** Everything is read and checked before anything is changed. */
  #changes(name: string, path: string, options: LoraOptions | undefined, index: number): (() => void)[] {
    if (this.#loaded.has(name))
      throw new InputError(`An adapter named ${JSON.stringify(name)} is loaded; unload it first.`);
    const file = openForModel(this.#model, this.#table, path, options);
    const changes = [...this.#linearChanges(file, index), ...this.#embeddingChanges(file, index)];
    refuseOthers(this.#model, file);
    return changes;
  }

  /** Frees an adapter. Rows told to use it are the base's. @throws InputError for an unknown name */
  unload(name: string): void {
    const index = this.#indexOf(name);
    this.#loaded.delete(name);
    this.#rows.clear();
    this.#detach(index);
  }

  /**
   * Tells which adapter each row of the next forward passes uses, until told otherwise. Where some layers are given other
   * rows than the rest (a head that sees last positions only), tell again in between.
   * @param adapterOfRow one for each row, leading dimensions flattened; undefined: the base
   * @throws InputError for an unknown name
   */
  useRows(adapterOfRow: readonly (string | undefined)[]): void {
    this.#rows.setRows(adapterOfRow.map((name) => (name === undefined ? undefined : this.#indexOf(name))));
  }

  /** Every row is the base's, however many. */
  useNone(): void {
    this.#rows.clear();
  }

  /** Frees all adapters and puts the plain layers back; the model stays. */
  dispose(): void {
    for (const name of this.names) this.unload(name);
    this.#rows.clear();
  }

  #indexOf(name: string): number {
    const found = this.#loaded.get(name);
    if (found !== undefined) return found.index;
    const known = this.names.map((each) => JSON.stringify(each)).join(', ');
    throw new InputError(
      `There is no adapter named ${JSON.stringify(name)}; ` +
        `${known === '' ? 'none is loaded' : `loaded are ${known}`}.`,
    );
  }

  #linearChanges(file: AdapterFile, index: number): (() => void)[] {
    const targets = modulesOf(this.#model, isAdapted);
    const embeddings = modulesOf(this.#model, isEmbedding);
    const adapted = [...file.layers.keys()].filter((ownPath) => !embeddings.has(ownPath));
    const replaced = [...file.whole.keys()].flatMap((ownPath) => {
      const [, path = '', kind] = /^(.*)\.(weight|bias)$/.exec(ownPath) ?? [];
      return kind !== undefined && targets.has(path) ? [path] : [];
    });
    return [...new Set([...adapted, ...replaced])].map((ownPath) => {
      const target = targets.get(ownPath);
      if (target === undefined)
        throw new InputError(`${file.path}: the model has no linear layer ${ownPath}.`);
      const layer = file.layers.get(ownPath);
      // Rows of single ids, of an output projection.
      const isTable = layer !== undefined && !isLinearLayer(layer);
      const parts = isTable ? new Map<AdapterPart, Tensor>() : readAdapterLayer(file, ownPath, target);
      const readWhole = (
        kind: 'weight' | 'bias',
        shape: readonly number[] | undefined,
      ): Tensor | undefined =>
        shape === undefined || !file.whole.has(`${ownPath}.${kind}`)
          ? undefined
          : readFloats(file.path, wholeView(file, `${ownPath}.${kind}`, shape));
      const whole = readWhole('weight', this.#wholeShape(`${ownPath}.weight`, target.weight));
      if (isTable && whole === undefined) this.#refuseTable(file, ownPath);
      const own = (part: AdapterTensor, tensor: Tensor | undefined): Tensor | undefined =>
        tensor === undefined ? undefined : (this.#parts?.adapterPart(ownPath, part, tensor) ?? tensor);
      const update: LoraUpdate = {
        options: layer?.options ?? { rank: 1, alpha: 1 },
        loraA: own('loraA', parts.get('loraA')),
        loraB: own('loraB', parts.get('loraB')),
        loraMagnitude: own('loraMagnitude', parts.get('loraMagnitude')),
        loraBias: own('loraBias', parts.get('loraBias')),
        weight: own(
          'weight',
          isTable ? embeddingOf(file, this.#table, ownPath, layer, whole ?? target.weight) : whole,
        ),
        bias: own('bias', readWhole('bias', target.bias && this.#wholeShape(`${ownPath}.bias`, target.bias))),
        sumInputs: this.#parts?.sumInputs(ownPath),
      };
      return () => this.#wrapLinear(ownPath, target).attach(index, update);
    });
  }

  #embeddingChanges(file: AdapterFile, index: number): (() => void)[] {
    const targets = modulesOf(this.#model, isEmbedding);
    return [...targets].flatMap(([ownPath, target]) => {
      const layer = file.layers.get(ownPath);
      const isWhole = file.whole.has(`${ownPath}.weight`);
      if (layer === undefined && !isWhole) return [];
      const { weight } = target;
      if (layer !== undefined && !isWhole) this.#refuseTable(file, ownPath);
      const base = isWhole
        ? readFloats(
            file.path,
            wholeView(file, `${ownPath}.weight`, this.#wholeShape(`${ownPath}.weight`, weight)),
          )
            .to(weight.dtype)
            .toDevice(weight.device)
        : weight;
      const table = layer === undefined ? base : embeddingOf(file, this.#table, ownPath, layer, base);
      const own = this.#parts?.adapterPart(ownPath, 'weight', table) ?? table;
      return [() => this.#wrapEmbedding(ownPath, target).attach(index, own)];
    });
  }

  #wholeShape(path: string, { shape }: Tensor): readonly number[] {
    return this.#parts?.wholeShapeOf(path) ?? shape;
  }

  /** Of a table that is shared out nobody has all rows. */
  #refuseTable({ path }: AdapterFile, ownPath: string): void {
    if (this.#parts?.wholeShapeOf(`${ownPath}.weight`) === undefined) return;
    throw new InputError(
      `${path}: the adapter changes ${ownPath}, whose rows the ranks share; merge it into the model (xinghe convert --merge) and ` +
        'serve that, or take one process.',
    );
  }

  #place(path: string, module: Module): void {
    if (this.#parts?.placeWithin(path, module) !== true) this.#model.replaceModule(path, module);
  }

  #wrapLinear(path: string, target: Linear): MultiLoraLinear {
    if (target instanceof MultiLoraLinear) return target;
    const layer = new MultiLoraLinear(target, this.#rows);
    this.#place(path, layer);
    return layer;
  }

  #wrapEmbedding(path: string, target: Embedding): MultiEmbedding {
    if (target instanceof MultiEmbedding) return target;
    const layer = new MultiEmbedding(target, this.#rows);
    this.#place(path, layer);
    return layer;
  }

  #detach(index: number): void {
    for (const [path, layer] of modulesOf(this.#model, isWrapper)) {
      layer.detach(index);
      if (layer.adapters.length === 0) this.#place(path, layer.base);
    }
  }
}

/** Whole tensors of other layers (norms) have one value for all rows. */
function refuseOthers(model: Module, { path, whole }: AdapterFile): void {
  const [linears, embeddings] = [modulesOf(model, isLinear), modulesOf(model, isEmbedding)];
  for (const [ownPath, name] of whole) {
    const layer = ownPath.replace(/\.(weight|bias)$/, '');
    if (linears.has(layer) || embeddings.has(layer)) continue;
    throw new InputError(
      `${path}: the adapter has its own "${name}", which cannot stand beside other adapters; merge it into the model ` +
        '(xinghe convert --merge) and serve that.',
    );
  }
}

function throwFault(fault: unknown): void {
  if (fault !== undefined) throw fault;
}

/** Not what chooses among the outputs of one. */
function isAdapted(module: Module): module is Linear {
  return isLinear(module) && !(module instanceof SelectedOutputs);
}

function isEmbedding(module: Module): module is Embedding & Module {
  return module instanceof Embedding || module instanceof MultiEmbedding;
}

function isWrapper(module: Module): module is MultiLoraLinear | MultiEmbedding {
  return module instanceof MultiLoraLinear || module instanceof MultiEmbedding;
}

/** The outermost module of a kind at each path: the wrapper where there is one. */
function modulesOf<Kind extends Module>(
  model: Module,
  isOfKind: (module: Module) => module is Kind,
): Map<string, Kind> {
  const found = new Map<string, Kind>();
  for (const [path, module] of model.namedModules())
    if (!found.has(path) && isOfKind(module)) found.set(path, module);
  return found;
}
