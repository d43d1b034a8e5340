/** A module that stands in the place of another in the tree; the other's parameters keep their paths. */
import { Module } from '../../nn/index.js';

export abstract class WrappedModule<Inner extends Module> extends Module {
  readonly inner: Inner;

  constructor(inner: Inner) {
    super();
    this.inner = inner;
  }

  override *namedModules(prefix = ''): ReturnType<Module['namedModules']> {
    yield [prefix, this];
    yield* this.inner.namedModules(prefix);
  }

  protected override ownerOf(key: string): Module {
    return Object.hasOwn(this, key) ? this : this.inner;
  }
}
