/** Parts a streamed answer into what the model thought (`<think>…</think>` at its beginning) and what it says. */

export interface ReasoningPiece {
  readonly kind: 'reasoning' | 'text';
  readonly text: string;
}

const OPEN = '<think>';
const CLOSE = '</think>';

export class ReasoningReader {
  #state: 'undecided' | 'opened' | 'reasoning' | 'closed' | 'text';
  #held = '';

  /** @param thinking as of AnswerForm */
  constructor(thinking: 'none' | 'possible' | 'begun') {
    this.#state = thinking === 'none' ? 'text' : thinking === 'begun' ? 'opened' : 'undecided';
  }

  push(piece: string): ReasoningPiece[] {
    if (piece === '') return [];
    if (this.#state === 'text') return [{ kind: 'text', text: piece }];
    this.#held += piece;
    const pieces: ReasoningPiece[] = [];
    while (this.#step(pieces));
    return pieces;
  }

  /** What was held back. */
  end(): ReasoningPiece[] {
    const kind = this.#state === 'reasoning' || this.#state === 'opened' ? 'reasoning' : 'text';
    // White space at the end of a thought, or before an answer that did not come, says nothing.
    const text = this.#state === 'undecided' ? this.#held : this.#held.trimEnd();
    this.#held = '';
    return text === '' ? [] : [{ kind, text }];
  }

  /** One step on; false when more text is needed. */
  #step(pieces: ReasoningPiece[]): boolean {
    switch (this.#state) {
      case 'undecided':
        return this.#decide(pieces);
      case 'opened':
        return this.#begin();
      case 'reasoning':
        return this.#reason(pieces);
      case 'closed':
        return this.#leave();
      case 'text':
        if (this.#held !== '') pieces.push({ kind: 'text', text: this.#held });
        this.#held = '';
        return false;
      default:
        return this.#state satisfies never;
    }
  }

  #decide(pieces: ReasoningPiece[]): boolean {
    const head = this.#held.trimStart();
    if (head.startsWith(OPEN)) {
      this.#held = head.slice(OPEN.length);
      this.#state = 'opened';
      return true;
    }
    if (OPEN.startsWith(head)) return false;
    pieces.push({ kind: 'text', text: this.#held });
    this.#held = '';
    this.#state = 'text';
    return false;
  }

  /** Over white space, and a sign that the model writes although the prompt has it. */
  #begin(): boolean {
    const head = this.#held.trimStart();
    if (OPEN.startsWith(head)) return false;
    const thought = head.startsWith(OPEN) ? head.slice(OPEN.length).trimStart() : head;
    if (thought === '') return false;
    this.#held = thought;
    this.#state = 'reasoning';
    return true;
  }

  #reason(pieces: ReasoningPiece[]): boolean {
    const end = this.#held.indexOf(CLOSE);
    const shown = end < 0 ? shownLength(this.#held) : this.#held.slice(0, end).trimEnd().length;
    if (shown > 0) pieces.push({ kind: 'reasoning', text: this.#held.slice(0, shown) });
    this.#held = end < 0 ? this.#held.slice(shown) : this.#held.slice(end + CLOSE.length);
    if (end < 0) return false;
    this.#state = 'closed';
    return true;
  }

  #leave(): boolean {
    this.#held = this.#held.trimStart();
    if (this.#held === '') return false;
    this.#state = 'text';
    return true;
  }
}

/** Without white space at the end, and what the closing sign may begin with. */
function shownLength(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--)
    if (text.endsWith(CLOSE.slice(0, length))) return text.slice(0, -length).trimEnd().length;
  return text.trimEnd().length;
}
