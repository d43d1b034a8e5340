/** Spreads drawing over the next frames, so that scrolling through a long conversation stays smooth. */

const waiting: (() => void)[] = [];
let isScheduled = false;

/** One of them is the drawing of a message: some milliseconds. */
const PER_FRAME = 2;

export function scheduleDraw(work: () => void): void {
  waiting.push(work);
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(drawSome);
}

function drawSome(): void {
  // What came near last is what the reader scrolls to.
  for (const work of waiting.splice(-PER_FRAME)) work();
  isScheduled = waiting.length > 0;
  if (isScheduled) requestAnimationFrame(drawSome);
}
