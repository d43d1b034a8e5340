/** The samples of the page, unpacked block by block. */
import type { PageSample } from '../report-content.js';

/** @param onBlock called with what is there so far */
export async function readSamples(onBlock: (samples: readonly PageSample[]) => void): Promise<void> {
  const samples: PageSample[] = [];
  for (const block of document.querySelectorAll('script.samples')) {
    samples.push(...(await unpack(block.textContent ?? '')));
    block.remove();
    onBlock(samples);
  }
}

async function unpack(base64: string): Promise<PageSample[]> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}
