/** What goes into a stage of the full block: rows of each window, on the disk until they are asked for. */
import { scope, type Tensor } from '../../tensor/index.js';
import type { SavedTensor, ScratchFile } from './scratch-file.js';

export class SavedRows {
  readonly #file: ScratchFile;
  readonly #windows: SavedTensor[] = [];
  #scales: Tensor | undefined;

  constructor(file: ScratchFile) {
    this.#file = file;
  }

  /** @param x float32 [N, I] */
  add(x: Tensor): void {
    this.#windows.push(this.#file.write(x));
  }

  /** Windows. */
  get count(): number {
    return this.#windows.length;
  }

  /** @returns float32 [N, I] of a window, divided by the scales */
  read(place: number): Tensor {
    const window = this.#windows[place];
    if (window === undefined) throw new RangeError(`there is no window ${place}`);
    return scope(() => {
      const rows = this.#file.read(window);
      return this.#scales === undefined ? rows : rows.div(this.#scales);
    });
  }

  /** One window after the other. */
  forEach(use: (rows: Tensor) => void): void {
    for (let place = 0; place < this.count; place++) scope(() => use(this.read(place)));
  }

  /** @param scales [I], once: by which the rows are divided from now on */
  divide(scales: Tensor): void {
    if (this.#scales !== undefined) throw new RangeError('these rows are divided already');
    this.#scales = scales.clone().keep();
  }

  dispose(): void {
    this.#scales?.dispose();
  }
}
