/** The last lines of what a rank printed. */

const MAX_LINES = 20;
const MAX_LENGTH = 500;

export class LastLines {
  readonly #lines: string[] = [];
  readonly #open = new Map<string, string>();

  /** @param stream each has lines of its own */
  add(stream: string, text: string): void {
    // A bar that is redrawn is a line each time.
    const parts = ((this.#open.get(stream) ?? '') + text).split(/\r\n|[\r\n]/);
    const rest = parts.pop() ?? '';
    // The end of a long line tells as a rule more than its beginning.
    this.#open.set(stream, rest.length > 4 * MAX_LENGTH ? rest.slice(-MAX_LENGTH) : rest);
    for (const line of parts) this.#push(line);
  }

  read(): string[] {
    return [...this.#lines, ...[...this.#open.values()].filter((line) => line.trim() !== '').map(cut)].slice(
      -MAX_LINES,
    );
  }

  #push(line: string): void {
    if (line.trim() === '') return;
    this.#lines.push(cut(line));
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }
}

function cut(line: string): string {
  return line.length > MAX_LENGTH ? `…${line.slice(-MAX_LENGTH)}` : line;
}
