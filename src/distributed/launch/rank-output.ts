/** Where the output of a rank goes: to the terminal (rank 0), to a file of its own, and its last lines to memory. */
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { log } from '../../log/index.js';
import { LastLines } from './last-lines.js';

export interface Terminal {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

export interface RankOutputOptions {
  readonly rank: number;
  /** DIR/rank_{i}/stdout and stderr, appended to. */
  readonly logDir: string | undefined;
  /** undefined: not shown. */
  readonly terminal: Terminal | undefined;
  /** The first line of this start in the file of stderr. */
  readonly heading: string;
}

export class RankOutput {
  readonly lines = new LastLines();
  readonly #options: RankOutputOptions;

  constructor(options: RankOutputOptions) {
    this.#options = options;
  }

  /** Takes all that comes. */
  read(name: 'stdout' | 'stderr', source: Readable): void {
    const { terminal } = this.#options;
    const targets: Writable[] = [];
    const file = this.#openFile(name);
    if (file !== undefined) targets.push(file);
    if (terminal !== undefined) targets.push(terminal[name]);
    const decoder = new StringDecoder('utf8');
    const resume = (): void => {
      source.resume();
    };
    source.on('data', (chunk: Buffer) => {
      this.lines.add(name, decoder.write(chunk));
      for (const target of targets)
        if (!target.destroyed && !target.writableEnded && !target.write(chunk)) source.pause();
    });
    for (const target of targets) target.on('drain', resume).on('close', resume);
    source.on('close', () => {
      for (const target of targets) target.off('drain', resume).off('close', resume);
      file?.end();
    });
  }

  #openFile(name: string): WriteStream | undefined {
    const { rank, logDir, heading } = this.#options;
    if (logDir === undefined) return undefined;
    const path = join(logDir, `rank_${rank}`, name);
    mkdirSync(join(logDir, `rank_${rank}`), { recursive: true });
    const file = createWriteStream(path, { flags: 'a' });
    // The run goes on without its log.
    file.on('error', (error) => {
      log(`xinghe launch: warning: ${path} is not written any more: ${error.message}`);
    });
    if (name === 'stderr') file.write(`${heading}\n`);
    return file;
  }
}
