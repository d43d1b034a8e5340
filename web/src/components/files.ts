/** Files out of the page and into it. */

import type { Workbench } from '../chat/workbench.js';

export function saveFile(name: string, content: string): void {
  const type = name.endsWith('.json') ? 'application/json' : 'text/markdown';
  const url = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
  const link = document.createElement('a');
  link.href = url;
  // What some file systems do not take in a name.
  link.download = name.replace(/[\\/:*?"<>|\p{Cc}]+/gu, ' ').trim();
  link.click();
  // The download begins after this task.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export async function saveAll({ library }: Workbench): Promise<void> {
  saveFile(`xinghe-${new Date().toISOString().slice(0, 10)}.json`, await library.exportAll());
}

/** @returns its text */
export async function chooseFile(accept: string): Promise<string | undefined> {
  const [file] = await chooseFiles(accept, false);
  return file?.text();
}

/** @returns none where the choice was called off */
export function chooseFiles(accept: string, several: boolean): Promise<File[]> {
  return new Promise((resolve) => {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = accept;
    input.multiple = several;
    input.oncancel = () => resolve([]);
    input.onchange = () => resolve([...(input.files ?? [])]);
    input.click();
  });
}
