/** Every command has help in both languages and examples that its own options understand; the shells get it too. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { requires } from '../../../tests/support/requires.js';
import { commands, main } from '../main.js';
import { HelpRequest } from '../options.js';
import { chinese } from './chinese.js';
import { type CollectedPage, collectPages } from './collect-pages.js';
import { type CompletedCommand, shellScript } from './completion-scripts.js';
import { examples } from './examples.js';
import { commandName, formatPage } from './format-page.js';
import { helpLanguage } from './help-language.js';

let pages: CollectedPage[] = [];
beforeAll(async () => {
  pages = await collectPages(commands);
}, 60_000);

/** Of the pages and of the overview, with where each stands. */
function allTexts(): Map<string, string> {
  const texts = new Map<string, string>(
    Object.entries(commands).map(([name, { summary }]) => [summary, name]),
  );
  for (const { name, page, text } of pages) {
    if (page === undefined) texts.set(text, name);
    else
      for (const part of [
        page.help.summary,
        page.help.notes,
        ...Object.values(page.specs).map(({ help }) => help),
      ])
        if (part !== undefined) texts.set(part, name);
  }
  return texts;
}

test('every text of every command has its Chinese, and no other has', () => {
  const texts = allTexts();
  const missing = [...texts].filter(([text]) => !chinese.has(text)).map(([text, name]) => `${name}: ${text}`);
  expect(missing, 'put them into src/cli/help/chinese/').toEqual([]);
  expect([...chinese.keys()].filter((text) => !texts.has(text))).toEqual([]);
  // Names alone need no letters of ours.
  const same = [...chinese].filter(([text, other]) => text === other || !/[\u4e00-\u9fff]/.test(other));
  expect(same.map(([text]) => text)).toEqual([]);
});

test('every command has examples, of itself, which its options understand', async () => {
  expect(Object.keys(examples).sort()).toEqual(pages.map(({ name }) => name).sort());
  for (const { name, page } of pages)
    for (const { command, english, chinese: other } of examples[name] ?? []) {
      expect(command, name).toMatch(new RegExp(`^xinghe ${name}\\b`));
      expect([english, /[\u4e00-\u9fff]|hub/.test(other)], command).toEqual([
        expect.stringMatching(/\S/),
        true,
      ]);
      const [own = ''] = command.split(' -- ');
      for (const [, option = ''] of own.replaceAll(/"[^"]*"|'[^']*'/g, 'x').matchAll(/ --([\w-]+)/g))
        if (page !== undefined) expect(Object.keys(page.specs), command).toContain(option);
    }
});

test.each(['english', 'chinese'] as const)('a page in %s has its sections', (language) => {
  for (const { page } of pages) {
    if (page === undefined) continue;
    const text = formatPage(page, language);
    const titles =
      language === 'english'
        ? ['USAGE', 'EXAMPLES', 'EXIT STATUS', 'SEE ALSO']
        : ['用法', '示例', '退出码', '参见'];
    for (const title of titles) expect(text, page.help.command).toContain(`\n${title}\n`);
    for (const option of Object.keys(page.specs)) expect(text).toContain(`--${option}`);
    expect(commandName(page.help.command)).not.toBe('');
  }
});

test.each([
  [{ LANG: 'zh_CN.UTF-8' }, 'chinese'],
  [{ LANG: 'zh' }, 'chinese'],
  [{ LANG: 'zh_TW.UTF-8', LC_ALL: 'C' }, 'english'],
  [{ LANG: 'en_US.UTF-8', LC_MESSAGES: 'zh_CN' }, 'chinese'],
  [{ LANG: 'C.UTF-8' }, 'english'],
  [{ LANG: 'zha' }, 'english'],
  [{}, 'english'],
])('%j speaks %s', (environment, language) => expect(helpLanguage(environment)).toBe(language));

test('the language of the environment is that of --help and of the overview', async () => {
  let stdout = '';
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  vi.stubEnv('LC_ALL', 'zh_CN.UTF-8');
  try {
    expect(await main(['chat', '--help'])).toBe(0);
    expect(await main(['--help'])).toBe(0);
    expect(await main(['data', '--help'])).toBe(0);
  } finally {
    spy.mockRestore();
    vi.unstubAllEnvs();
  }
  expect(stdout).toMatch(/^xinghe chat：在终端里与模型对话\n\n用法\n/);
  expect(stdout).toContain('xinghe 命令 [选项]');
  expect(stdout).toContain('xinghe data 动词');
});

describe('completion', () => {
  const script = async (shell: string): Promise<string> => {
    let text = '';
    const spy = vi.spyOn(process.stdout, 'write').mockImplementation((piece) => {
      text += String(piece);
      return true;
    });
    try {
      expect(await main(['completion', shell])).toBe(0);
    } finally {
      spy.mockRestore();
    }
    return text;
  };
  const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

  test.each<[words: string[], expected: string[]]>([
    [['tr'], ['train']],
    [['tokenizer', 're'], ['report']],
    [['data', 'prepare', '--see'], ['--seed']],
    [
      ['run', '--run_mode', 'e'],
      ['eval', 'export'],
    ],
    [['launch', '--nproc', '2', '--', 'tra'], ['train']],
    [['launch', '--nproc', '2', '--', 'run', '--predict_l'], ['--predict_length']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['train', '--config', 'package.js'], ['package.json']],
    [['nothing', '--x'], []],
  ])('bash completes %j', async (words, expected) => {
    const program = `${await script('bash')}
COMP_WORDS=(xinghe ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _xinghe; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', program], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout.split('\n').filter((line) => line !== '')).toEqual(expected);
  });

  test('zsh reads its script', requires(has('zsh'), 'no zsh; apt-get install zsh'), async () => {
    const { status, stderr } = spawnSync('zsh', ['-n'], { input: await script('zsh'), encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test('fish reads its script', requires(has('fish'), 'no fish; apt-get install fish'), async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'xinghe-fish-')), 'xinghe.fish');
    writeFileSync(file, await script('fish'));
    const { status, stderr } = spawnSync('fish', ['--no-execute', file], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  test.each(['bash', 'zsh', 'fish'] as const)('quotes in a help text harm no script of %s', (shell) => {
    const command: CompletedCommand = {
      name: 'x',
      summary: "it's $(touch /tmp/evil) `a`",
      options: [{ name: 'o', takesValue: true, values: ["a'b"], help: 'c: "d" \\' }],
      words: [],
    };
    const text = shellScript(shell, [command]);
    expect(text).toContain(shell === 'fish' ? "it\\'s" : shell === 'zsh' ? "it'\\''s" : "a'\\''b");
    if (shell === 'bash') expect(spawnSync('bash', ['-n'], { input: text }).status).toBe(0);
  });

  test('an unknown shell is refused', async () => {
    const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(await main(['completion', 'csh'])).toBe(2);
    expect(await main(['completion'])).toBe(2);
    spy.mockRestore();
  });
});

test('help is thrown as a page, not printed', async () => {
  await expect((await commands.chat?.load())?.(['--help'])).rejects.toBeInstanceOf(HelpRequest);
});
