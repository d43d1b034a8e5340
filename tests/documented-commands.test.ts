/** Every command line of README and docs is run by documented-commands.long.test.ts, or listed with the reason why not. */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CANNOT_RUN, commandsIn, documentedCommands, reasonNotToRun } from './support/documented-commands.js';

test('commands are cut where a reader would', () => {
  const text = [
    '```sh',
    '# a comment',
    'a --b \\',
    '  c   # why',
    '',
    "curl -d '{",
    '  "x": 1}\'',
    'for f in *; do',
    '  g \\',
    '    h',
    'done',
    '```',
    '```js',
    'd()',
    '```',
  ].join('\n');
  expect(commandsIn('x.md', text).map(({ line, command }) => [line, command])).toEqual([
    [3, 'a --b \\\n  c'],
    [6, 'curl -d \'{\n  "x": 1}\''],
    [8, 'for f in *; do\n  g \\\n    h\ndone'],
  ]);
});

test('there are commands of every document that has them, and every reason still has its command', () => {
  const commands = documentedCommands();
  expect(commands.length).toBeGreaterThan(90);
  for (const [beginning, reason] of CANNOT_RUN)
    expect(
      commands.some(({ command }) => command.startsWith(beginning)),
      `${beginning} (${reason}) stands nowhere; take it out of the table`,
    ).toBe(true);
});

test('what is run names files of the repository, of the demo, or of an earlier command only', () => {
  for (const { file, line, command } of documentedCommands()) {
    if (reasonNotToRun(command) !== undefined) continue;
    for (const [, path = ''] of command.matchAll(
      /--(?:config|model|tokenizer|from|base|config-json)[ =]([^\s']+)/g,
    ))
      expect(
        path.startsWith('out/') || existsSync(new URL(`../${path}`, import.meta.url)),
        `${file}:${line}: ${path} is not in the repository; use the demo's, or list the command with a reason`,
      ).toBe(true);
    expect(command, `${file}:${line}`).not.toMatch(/\.\.\/shared|\/weights\//);
  }
});
