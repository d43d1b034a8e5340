/** The adapters that a serving model can choose among, each row of a batch for itself; they come and go at run time. */
import { InputError } from '../../errors/index.js';
import { AdapterMapping, LoraLinear, type LoraOptions, MultiLoraLinear } from '../../lora/index.js';
import { type Linear, type Module, namedLinears } from '../../nn/index.js';
import { scope, type Tensor } from '../../tensor/index.js';
import type { NameTable } from '../name-table.js';
import { openAdapter, readAdapterLayer } from './adapter-file.js';

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
  #nextIndex = 0;

  /** @param names of the model's architecture @throws InputError for a model that already carries an adapter */
  constructor(model: Module, names: NameTable) {
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
   * @throws InputError for a name that is taken, and as `loadAdapter`
   */
  load(name: string, path: string, options?: LoraOptions): void {
    if (this.#loaded.has(name))
      throw new InputError(`An adapter named ${JSON.stringify(name)} is loaded; unload it first.`);
    const index = this.#nextIndex;
    scope(() => {
      const file = openAdapter(path, this.#table, options);
      if (file.layers.size === 0) throw new InputError(`${file.path}: an adapter without tensors.`);
      const targets = new Map(namedLinears(this.#model));
      // Everything is read and checked before anything is changed.
      const updates = [...file.layers.keys()].map((own) => {
        const target = targets.get(own);
        if (target === undefined) throw new InputError(`${file.path}: the model has no linear layer ${own}.`);
        return { own, target, parts: new Map(readAdapterLayer(file, own, target)) };
      });
      try {
        for (const { own, target, parts } of updates)
          this.#wrap(own, target).attach(index, {
            options: file.options,
            loraA: given(parts.get('loraA')),
            loraB: given(parts.get('loraB')),
            loraMagnitude: parts.get('loraMagnitude'),
          });
      } catch (error) {
        this.#detach(index); // Memory may run out in the middle.
        throw error;
      }
    });
    this.#loaded.set(name, { index, path });
    this.#nextIndex += 1;
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

  #wrap(path: string, target: Linear): MultiLoraLinear {
    if (target instanceof MultiLoraLinear) return target;
    const layer = new MultiLoraLinear(target, this.#rows);
    this.#model.replaceModule(path, layer);
    return layer;
  }

  #detach(index: number): void {
    for (const [path, layer] of [...namedLinears(this.#model)]) {
      if (!(layer instanceof MultiLoraLinear)) continue;
      layer.detach(index);
      if (layer.adapters.length === 0) this.#model.replaceModule(path, layer.base);
    }
  }
}

function given(tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw new TypeError('an adapter layer was read without a matrix');
  return tensor;
}
