/** The files of the exported folder: from where the page lies, or, for a page opened from the disk, as the reader picks the folder. */

export interface FileSource {
  /** @param onBytes is told how many have come, and of how many @throws Error naming a file that is not there */
  read(path: string, onBytes?: (done: number, total: number) => void): Promise<ArrayBuffer>;
  /** Something that can be imported. */
  urlOf(path: string): string;
}

/** Beside the page, over HTTP. */
export class SiteSource implements FileSource {
  async read(path: string, onBytes?: (done: number, total: number) => void): Promise<ArrayBuffer> {
    const response = await fetch(this.urlOf(path));
    if (!response.ok || response.body === null) throw new Error(`${path}: ${response.status}`);
    const total = Number(response.headers.get('content-length') ?? 0);
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let done = 0;
    for (const reader = response.body.getReader(); ; ) {
      const { value } = await reader.read();
      if (value === undefined) break;
      pieces.push(value);
      done += value.byteLength;
      onBytes?.(done, total);
    }
    return new Blob(pieces).arrayBuffer();
  }

  urlOf(path: string): string {
    return new URL(path, document.baseURI).href;
  }
}

export class PickedFolder implements FileSource {
  readonly #files: ReadonlyMap<string, File>;

  constructor(files: Iterable<File>) {
    // The first part of each path is the name of the folder itself.
    this.#files = new Map(
      [...files].map((file) => [file.webkitRelativePath.split('/').slice(1).join('/') || file.name, file]),
    );
  }

  async read(path: string, onBytes?: (done: number, total: number) => void): Promise<ArrayBuffer> {
    const file = this.#fileOf(path);
    const bytes = await file.arrayBuffer();
    onBytes?.(file.size, file.size);
    return bytes;
  }

  urlOf(path: string): string {
    return URL.createObjectURL(new Blob([this.#fileOf(path)], { type: 'text/javascript' }));
  }

  #fileOf(path: string): File {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`${path} is not in this folder`);
    return file;
  }
}
