/** Files out of the page and into it. */

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

export function chooseFile(accept: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const input = document.createElement('input');
    input.type = 'file';
    input.accept = accept;
    input.oncancel = () => resolve(undefined);
    input.onchange = () => {
      const file = input.files?.[0];
      if (file === undefined) resolve(undefined);
      else file.text().then(resolve, reject);
    };
    input.click();
  });
}
