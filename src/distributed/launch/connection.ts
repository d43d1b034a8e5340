/** A connection between two launchers: values as JSON, one a line. */
import type { Socket } from 'node:net';
import { StringDecoder } from 'node:string_decoder';

/** More without the end of a line is no launcher. */
const MAX_LINE = 4 * 2 ** 20;

export class Connection<In, Out> {
  readonly #socket: Socket;
  /** When the last message came, by performance.now(). */
  lastHeard = performance.now();
  #rest = '';

  constructor(
    socket: Socket,
    {
      parse,
      onMessage,
      onClose,
    }: {
      /** undefined: no message. */
      readonly parse: (value: unknown) => In | undefined;
      readonly onMessage: (message: In) => void;
      /** Once. @param why in words */
      readonly onClose: (why: string) => void;
    },
  ) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    const decoder = new StringDecoder('utf8');
    let why = 'the connection was closed';
    socket.on('data', (chunk) => {
      this.lastHeard = performance.now();
      const lines = (this.#rest + decoder.write(chunk)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = parse(parseLine(line));
        if (message !== undefined) onMessage(message);
        else why = this.#refuse();
      }
      if (this.#rest.length > MAX_LINE) why = this.#refuse();
    });
    socket.on('error', (error) => {
      why = error.message;
    });
    socket.on('close', () => onClose(why));
  }

  /** The address of this side. */
  get localAddress(): string | undefined {
    return this.#socket.localAddress;
  }

  send(message: Out): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message)}\n`);
  }

  /** When all that was sent is on its way. */
  close(): void {
    this.#socket.end();
    // Who does not close its side has nothing more to say.
    setTimeout(() => this.#socket.destroy(), 1_000).unref();
  }

  #refuse(): string {
    this.#socket.destroy();
    return 'what came was no message of a launcher';
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
