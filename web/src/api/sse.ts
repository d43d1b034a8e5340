/** Server-sent events out of text that arrives in arbitrary pieces (WHATWG HTML, section 9.2). */

export class SseParser {
  #line = '';
  #data: string[] = [];
  #isFirst = true;
  /** The last piece ended with CR: an LF at the head of the next one belongs to it. */
  #afterReturn = false;

  /** @returns the data of the events that this piece completes, in order */
  feed(piece: string): string[] {
    const events: string[] = [];
    let text = piece;
    if (this.#isFirst && text !== '') {
      this.#isFirst = false;
      if (text.startsWith('\uFEFF')) text = text.slice(1);
    }
    let start = 0;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code === 10 && this.#afterReturn) {
        this.#afterReturn = false;
        start = at + 1;
        continue;
      }
      this.#afterReturn = code === 13;
      if (code !== 10 && code !== 13) continue;
      this.#endLine(this.#line + text.slice(start, at), events);
      this.#line = '';
      start = at + 1;
    }
    this.#line += text.slice(start);
    return events;
  }

  #endLine(line: string, events: string[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push(this.#data.join('\n'));
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    if (name !== 'data') return; // Comments (an empty name), ids and retries mean nothing here.
    const value = colon < 0 ? '' : line.slice(colon + 1);
    this.#data.push(value.startsWith(' ') ? value.slice(1) : value);
  }
}

/** The data of each event of a response body. Characters cut by the borders of packets come out whole. */
export async function* readServerEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield* parser.feed(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Leaving the loop early closes the connection, by which the server stops its work.
    await reader.cancel().catch(() => {});
  }
}
