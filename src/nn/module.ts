/**
 * `Module`: a tree of parameters. Every own field that is a Tensor is a parameter; every own field that is a Module,
 * or an array of Modules, is a child. A module owns its parameters: `dispose()` frees them all.
 *
 * A new module holds shapes only (tensors on the `meta` device, which have no memory); `assign` or an
 * initialisation brings the values.
 */
import { type DType, empty, Tensor } from '../tensor/index.js';

export abstract class Module {
  /** Own path ("layers.0.mlp.gateProj.weight") and tensor of every parameter, in the order of the fields. */
  namedParameters(): [path: string, parameter: Tensor][] {
    return [...this.walkParameters()].map(({ path, parameter }) => [path, parameter]);
  }

  /** The modules of the tree, this one first, with their paths ("" for this one). */
  *namedModules(prefix = ''): Generator<[path: string, module: Module]> {
    yield [prefix, this];
    const join = (key: string): string => (prefix === '' ? key : `${prefix}.${key}`);
    for (const [key, value] of Object.entries(this)) {
      if (value instanceof Module) yield* value.namedModules(join(key));
      else if (Array.isArray(value))
        for (const [index, item] of value.entries())
          if (item instanceof Module) yield* item.namedModules(join(`${key}.${index}`));
    }
  }

  /** Puts `tensor` in the place of the parameter at `path` and frees the old one. Same shape required. */
  assign(path: string, tensor: Tensor): void {
    const target = this.#find(path);
    const old = Reflect.get(target.owner, target.key);
    if (!(old instanceof Tensor)) throw new TypeError(`${path} is no parameter`);
    if (old.shape.join() !== tensor.shape.join())
      throw new TypeError(
        `${path}: shape [${old.shape.join(', ')}] cannot become [${tensor.shape.join(', ')}]`,
      );
    if (old === tensor) return;
    Reflect.set(target.owner, target.key, tensor.keep());
    old.dispose();
  }

  /** Puts another module in the place of the child at `path`; parameters that both hold stay alive. */
  replaceModule(path: string, module: Module): void {
    const { owner, key } = this.#find(path);
    Reflect.set(owner, key, module);
  }

  /** Casts and moves every parameter. */
  to({ dtype, device }: { dtype?: DType; device?: string }): this {
    for (const [path, parameter] of this.namedParameters()) {
      let moved = parameter;
      if (dtype !== undefined) moved = moved.to(dtype);
      if (device !== undefined) moved = moved.toDevice(device);
      this.assign(path, moved);
    }
    return this;
  }

  /** Number of elements of all parameters. */
  parameterCount(): number {
    return this.namedParameters().reduce((sum, [, parameter]) => sum + parameter.numElements, 0);
  }

  dispose(): void {
    for (const [, parameter] of this.namedParameters()) parameter.dispose();
  }

  #find(path: string): { owner: object; key: string } {
    const keys = path.split('.');
    let owner: object = this;
    for (const key of keys.slice(0, -1)) {
      const next: unknown = Reflect.get(owner instanceof Module ? owner.ownerOf(key) : owner, key);
      if (typeof next !== 'object' || next === null) throw new TypeError(`${path}: no ${key} there`);
      owner = next;
    }
    const key = keys.at(-1) ?? '';
    return { owner: owner instanceof Module ? owner.ownerOf(key) : owner, key };
  }

  /** Who holds the field `key` under this module's path: a wrapper whose inner module shares its path says that one. */
  protected ownerOf(_key: string): Module {
    return this;
  }

  /** `namedParameters` one by one, for who needs the first only. */
  protected *walkParameters(): Generator<{ path: string; parameter: Tensor }> {
    for (const [path, module] of this.namedModules())
      for (const [key, value] of Object.entries(module))
        if (value instanceof Tensor) yield { path: path === '' ? key : `${path}.${key}`, parameter: value };
  }
}

/** A parameter that has a shape and no memory yet. */
export function parameter(...shape: number[]): Tensor {
  return empty(shape, { device: 'meta' }).keep();
}
