/** What the chat page does beyond asking and answering: key, files, thoughts, ratings, room in the context, trouble with storage. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { browserPath } from './support/chat-page/browser.js';
import {
  answerText,
  BOX,
  button,
  ChatBrowser,
  focused,
  picture,
  poll,
} from './support/chat-page/chat-browser.js';
import { casesOf, longTest } from './support/long-suite.js';
import { requiresBrowser } from './support/requires.js';

const executablePath = browserPath();
const SKY = '为什么天空是蓝的？';
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

describe('the chat page', requiresBrowser(executablePath), () => {
  const chat = new ChatBrowser();
  beforeAll(() => chat.launch(executablePath));
  afterAll(() => chat.close());
  beforeEach(() => chat.startServer());
  afterEach(() => chat.tidy());

  const width = (page: Page): Promise<unknown> => page.evaluate('document.documentElement.scrollWidth');
  const confirm = (page: Page): Promise<void> => page.locator('.confirm .danger').click();

  describe('and a key', () => {
    it('asks for it in a dialog that has the keyboard, and goes back to the message box', async () => {
      await chat.startServer({ key: 'xinghe-secret' });
      const { page, faults } = await chat.open();
      await page.locator('dialog').waitFor();
      await poll(() => focused(page)).toBe('api-key');
      await picture(page, 'key');
      // Typed without looking: it lands in the dialog, not in a conversation.
      await page.keyboard.type('wrong');
      await page.keyboard.press('Enter');
      await page.getByText('服务器不接受这个密钥。').waitFor();
      await picture(page, 'key-refused');
      await poll(() => focused(page)).toBe('api-key');
      await page.keyboard.type('xinghe-secret');
      await page.keyboard.press('Enter');
      await page.locator('dialog').waitFor({ state: 'detached' });
      await poll(() => focused(page)).toBe('message-box');
      await chat.ask(page, SKY);
      expect(await page.locator('.entry-text').allTextContents()).toEqual([SKY]);
      expect(await page.evaluate('JSON.stringify({...localStorage})')).not.toContain('xinghe-secret');
      expect(faults).toEqual([]);
    });

    it('sends nothing while the key is missing, and keeps what is written', async () => {
      await chat.startServer({ key: 'xinghe-secret' });
      const { page } = await chat.open();
      await page.locator('dialog').waitFor();
      await page.keyboard.press('Escape');
      await page.locator('dialog').waitFor({ state: 'detached' });
      await page.fill(BOX, SKY);
      await page.press(BOX, 'Enter');
      await page.locator('dialog').waitFor();
      expect(await page.inputValue(BOX)).toBe(SKY);
      expect(await page.locator('.turn').count()).toBe(0);
    });

    longTest('asks when the key is taken away in the middle', async () => {
      const { page } = await chat.open();
      await chat.ask(page, SKY);
      chat.server.key = 'another';
      await page.fill(BOX, '再说一遍');
      await page.press(BOX, 'Enter');
      await page.locator('dialog').waitFor();
      await page.keyboard.type('another');
      await page.keyboard.press('Enter');
      await page.locator('dialog').waitFor({ state: 'detached' });
      await button(page, '重新回答').last().click();
      await poll(() => chat.server.asked.at(-1)?.isFinished).toBe(true);
    });
  });

  longTest(
    'gives the keyboard back to the message box after editing, answering again, going on and deleting',
    async () => {
      const { page } = await chat.open();
      await chat.ask(page, SKY);
      await button(page, '重新回答').click();
      await poll(() => focused(page)).toBe('message-box');
      await poll(() => chat.server.asked.at(-1)?.isFinished).toBe(true);
      for (const end of ['重新发送', '取消']) {
        await page.locator('.question').hover();
        await button(page, '编辑').click();
        await page.getByLabel('编辑消息').fill('为什么？');
        await button(page, end).click();
        await poll(() => focused(page)).toBe('message-box');
        await page.waitForSelector('.send[type=submit]');
      }
      chat.server.breakAfter = 20;
      await page.fill(BOX, SKY);
      await page.press(BOX, 'Enter');
      await button(page, '继续').click();
      await poll(() => focused(page)).toBe('message-box');
      await page.getByText('这就是全部。').waitFor();
      await button(page, '删除消息').last().click();
      await confirm(page);
      await poll(() => focused(page)).toBe('message-box');
    },
  );

  describe('thoughts', () => {
    it('folds <think>, sends them back to nobody, and copies the answer alone', async () => {
      const { page, faults } = await chat.open({ permissions: ['clipboard-read', 'clipboard-write'] });
      await chat.ask(page, '思考一下');
      expect(await answerText(page)).toBe('走第二条路，只要八分钟。');
      expect(await page.getByText('先列出三条').count()).toBe(0);
      await page.locator('.thinking summary').click();
      await page.getByText('先列出三条').waitFor();
      expect(await page.locator('.thinking strong').textContent()).toBe('最短的路');
      await picture(page, 'thinking');
      await button(page, '复制').last().click();
      expect(await page.evaluate('navigator.clipboard.readText()')).toBe('走**第二条**路，只要八分钟。');
      await chat.ask(page, SKY);
      expect(chat.server.asked.at(-1)?.messages[1]?.content).toBe('走**第二条**路，只要八分钟。');
      expect(faults).toEqual([]);
    });

    longTest('shows that the model thinks, without the sign for a moment', async () => {
      chat.server.pace = 40;
      const { page } = await chat.open();
      const seen: string[] = [];
      await page.exposeFunction('noteText', (text: string) => seen.push(text));
      await page.evaluate(`new MutationObserver(() => window.noteText(document.querySelector('.answer')?.textContent ?? ''))
        .observe(document.body, { subtree: true, childList: true, characterData: true })`);
      await page.fill(BOX, '思考一下');
      await page.press(BOX, 'Enter');
      await page.getByText('正在思考…').waitFor();
      await page.locator('.answer .markdown', { hasText: '八分钟' }).waitFor();
      await page.waitForSelector('.send[type=submit]');
      expect(await page.locator('.thinking summary').textContent()).toBe('思考过程');
      expect(seen.filter((text) => /[<>]/.test(text))).toEqual([]);
    });

    longTest('takes reasoning that the server sends apart, and keeps it', async () => {
      const { page } = await chat.open();
      await chat.ask(page, '推理一下');
      expect(await answerText(page)).toBe('答案是四十二。');
      await page.reload();
      await page.locator('.thinking summary').click();
      await page.getByText('先想一想').waitFor();
      await chat.ask(page, SKY);
      expect(chat.server.asked.at(-1)?.messages[1]).toEqual({ role: 'assistant', content: '答案是四十二。' });
    });
  });

  longTest('draws task lists, and leaves mermaid as code', async () => {
    const { page, faults } = await chat.open();
    await chat.ask(page, '列出任务');
    expect(await page.locator('.task').allTextContents()).toEqual(['☑', '☐', '☐', '☑']);
    expect(await page.locator('.task-item').first().textContent()).toBe('☑订车票');
    expect(await page.locator('.code-box code').textContent()).toContain('graph LR');
    await picture(page, 'tasks');
    expect(faults).toEqual([]);
  });

  const screens: readonly [string, object][] = [
    ['a desk', {}],
    ['a telephone', PHONE],
  ];
  it.each(casesOf(screens, ([name]) => name === 'a telephone'))(
    'lets what is wide or deep scroll on %s',
    async (_, options) => {
      const { page } = await chat.open(options);
      const columns = Number(await width(page));
      await chat.ask(page, '写点很宽的');
      await page.locator('.markdown .katex').first().waitFor();
      await page.locator('.markdown .wide').first().waitFor();
      expect(await width(page)).toBe(columns);
      // Everything can be reached: each thing lies within its box, or in one that scrolls.
      const cutOff =
        await page.evaluate(`[...document.querySelectorAll('.answer .markdown :is(li, blockquote, .katex-html > *)')].filter((element) => {
      const { left, right } = element.getBoundingClientRect();
      const scroller = element.closest('.wide');
      if (scroller !== null) {
        const box = scroller.getBoundingClientRect();
        return right - box.left - scroller.clientLeft + scroller.scrollLeft > scroller.scrollWidth + 1 || box.right > innerWidth;
      }
      const turn = element.closest('.turn').getBoundingClientRect();
      return left < turn.left || right > turn.right + 1;
    }).map((element) => element.textContent.slice(0, 40))`);
      expect(cutOff).toEqual([]);
      // The formula that fits stays in its line.
      expect(await page.locator('.math.wide').count()).toBe(1);
      const narrowest = await page.evaluate(
        "Math.min(...[...document.querySelectorAll('.answer .markdown :is(li, blockquote)')].map(({ clientWidth }) => clientWidth))",
      );
      expect(narrowest).toBeGreaterThan(100);
      // A number of seven digits stands within the turn.
      expect(
        await page.evaluate(
          "parseFloat(getComputedStyle(document.querySelector('.answer ol')).paddingInlineStart) > 70",
        ),
      ).toBe(true);
      await picture(page, `wide-${columns}`);
    },
  );

  longTest(
    'writes Arabic and Hebrew from the right, each paragraph by itself, and code from the left',
    async () => {
      const { page } = await chat.open();
      await page.fill(BOX, 'مرحبا عربي');
      expect(await page.evaluate(`getComputedStyle(document.querySelector('${BOX}')).direction`)).toBe('rtl');
      await chat.ask(page, 'مرحبا عربي');
      const direction = (selector: string): Promise<unknown> =>
        page.evaluate(`getComputedStyle([...document.querySelectorAll('${selector}')].at(-1)).direction`);
      expect(await direction('.question .block')).toBe('rtl');
      expect(await direction('.answer .block:first-child')).toBe('rtl');
      expect(await direction('.answer .block:last-child')).toBe('ltr');
      expect(await direction('.answer code')).toBe('ltr');
      // The English item of the Arabic list stands beside its mark, at the right.
      const isBesideMark = await page.evaluate(`(() => {
      const item = [...document.querySelectorAll('.answer li')].find((li) => li.textContent.startsWith('Second'));
      const range = document.createRange();
      range.selectNodeContents(item);
      return item.getBoundingClientRect().right - range.getBoundingClientRect().right < 5;
    })()`);
      expect(isBesideMark).toBe(true);
      expect(await page.locator('.entry-text').getAttribute('dir')).toBe('auto');
      await picture(page, 'arabic');
    },
  );

  longTest('begins a new conversation on a telephone without opening the list', async () => {
    const { page } = await chat.open(PHONE);
    await chat.ask(page, SKY);
    await button(page, '新对话').click();
    expect(await page.locator('.turn').count()).toBe(0);
    expect(await width(page)).toBe(390);
    await picture(page, 'phone-welcome');
    await chat.ask(page, '用表格比较三种茶');
    await button(page, '显示对话列表').click();
    await poll(() => page.locator('.entry-text').allTextContents()).toEqual(['用表格比较三种茶', SKY]);
  });

  describe('messages', () => {
    it('are deleted one by one: what followed stays, and so it does after a reload', async () => {
      const { page } = await chat.open();
      await chat.ask(page, SKY);
      await chat.ask(page, '用表格比较三种茶');
      await chat.ask(page, '再来一首');
      // A question takes its answer along.
      await page.locator('.question').nth(1).hover();
      await page.locator('.question').nth(1).getByRole('button', { name: '删除消息' }).click();
      await page.getByText('以及从属于它的 1 条').waitFor();
      await picture(page, 'delete');
      await confirm(page);
      await poll(() => page.locator('.question').count()).toBe(2);
      // An answer goes alone.
      await page.locator('.answer').first().hover();
      await page.locator('.answer').first().getByRole('button', { name: '删除消息' }).click();
      await page.getByText('删除这条消息？').waitFor();
      await confirm(page);
      await poll(() => page.locator('.answer').count()).toBe(1);
      await page.reload();
      await poll(() => page.locator('.turn').count()).toBe(3);
      await chat.ask(page, '还有呢');
      expect(chat.server.asked.at(-1)?.messages.map(({ role }) => role)).toEqual([
        'user',
        'assistant',
        'user',
      ]);
      expect(chat.server.asked.at(-1)?.messages[0]?.content).toBe(`${SKY}\n\n再来一首`);
    });

    longTest(
      'a version goes with what followed it, the others stay; the last message takes the conversation along',
      async () => {
        const { page } = await chat.open();
        await chat.ask(page, SKY);
        await button(page, '重新回答').click();
        await page.locator('.version-count', { hasText: '2 / 2' }).waitFor();
        await poll(() => chat.server.asked.at(-1)?.isFinished).toBe(true);
        await chat.ask(page, '再来一首');
        await page.locator('.answer').first().hover();
        await page.locator('.answer').first().getByRole('button', { name: '删除消息' }).click();
        await page.getByText('以及从属于它的 2 条').waitFor();
        await confirm(page);
        await poll(() => page.locator('.turn').count()).toBe(2);
        expect(await page.locator('.version-count').count()).toBe(0);
        await page.locator('.question').hover();
        await page.locator('.question').getByRole('button', { name: '删除消息' }).click();
        await confirm(page);
        await poll(() => page.locator('.entry').count()).toBe(0);
        await page.reload();
        await page.waitForSelector(BOX);
        expect(await page.locator('.entry').count()).toBe(0);
      },
    );

    longTest(
      'an answer that is still being written does not come back after its question was deleted',
      async () => {
        chat.server.pace = 30;
        const { page } = await chat.open();
        await page.fill(BOX, '写一篇长文');
        await page.press(BOX, 'Enter');
        await poll(() => answerText(page)).toContain('第1段');
        await page.locator('.question').hover();
        await page.locator('.question').getByRole('button', { name: '删除消息' }).click();
        await confirm(page);
        await poll(() => chat.server.asked[0]?.isAborted).toBe(true);
        await page.waitForTimeout(400);
        expect(await page.locator('.turn').count()).toBe(0);
        await page.reload();
        await page.waitForSelector(BOX);
        expect(await page.locator('.entry').count()).toBe(0);
      },
    );

    it('are rated; the rating stays and is exported', async () => {
      const { page } = await chat.open();
      await chat.ask(page, SKY);
      await button(page, '回答得好').click();
      expect(await button(page, '回答得好').getAttribute('aria-pressed')).toBe('true');
      await button(page, '回答得不好').click();
      await page.reload();
      await poll(() => button(page, '回答得不好').getAttribute('aria-pressed')).toBe('true');
      expect(await button(page, '回答得好').getAttribute('aria-pressed')).toBe('false');
      const exported = await exportAs(page, SKY, '导出为 JSON');
      expect(JSON.parse(exported).conversations[0].messages).toContainEqual(
        expect.objectContaining({ role: 'assistant', rating: 'bad' }),
      );
      expect(await exportAs(page, SKY, '导出为 Markdown')).toContain('## 星河 · telechat-7b · 👎');
      await button(page, '回答得不好').click();
      await poll(() => button(page, '回答得不好').getAttribute('aria-pressed')).toBe('false');
    });
  });

  async function exportAs(page: Page, title: string, item: string): Promise<string> {
    await page.locator('.entry').first().hover();
    await button(page, `“${title}”的操作`).click();
    const downloading = page.waitForEvent('download');
    await page.getByRole('menuitem', { name: item }).click();
    return readFileSync(await (await downloading).path(), 'utf8');
  }

  longTest('pins a conversation above the others, for good', async () => {
    const { page } = await chat.open();
    await chat.ask(page, SKY);
    await button(page, '新对话').click();
    await chat.ask(page, '再来一首');
    await page.locator('.entry').last().hover();
    await button(page, `“${SKY}”的操作`).click();
    await page.getByRole('menuitem', { name: '置顶' }).click();
    await poll(() => page.locator('.entry-text').allTextContents()).toEqual([SKY, '再来一首']);
    expect(await page.locator('.conversation-list h2').allTextContents()).toEqual(['置顶', '今天']);
    await page.reload();
    await poll(() => page.locator('.entry-text').allTextContents()).toEqual([SKY, '再来一首']);
    await picture(page, 'pinned');
    await page.locator('.entry').first().hover();
    await button(page, `“${SKY}”的操作`).click();
    await page.getByRole('menuitem', { name: '取消置顶' }).click();
    await poll(() => page.locator('.entry-text').allTextContents()).toEqual(['再来一首', SKY]);
  });

  describe('files', () => {
    interface TestFile {
      readonly name: string;
      readonly mimeType: string;
      readonly buffer: Buffer;
    }
    const file = (name: string, content: string | Buffer): TestFile => ({
      name,
      mimeType: 'application/octet-stream',
      buffer: typeof content === 'string' ? Buffer.from(content) : content,
    });
    async function attach(page: Page, files: TestFile[]): Promise<void> {
      const choosing = page.waitForEvent('filechooser');
      await button(page, '添加文本文件').click();
      await (await choosing).setFiles(files);
    }

    it('go with the question, counted, shown, kept and exported', async () => {
      const { page, faults } = await chat.open();
      await attach(page, [
        file('诗.txt', '床前明月光\r\n疑是地上霜'),
        // 中文 in GB 18030, as older programs write it.
        file('gbk.txt', Buffer.from([0xd6, 0xd0, 0xce, 0xc4])),
      ]);
      await page.getByText('11 词元').waitFor();
      await poll(() => page.locator('.attachment-chips .attachment-name').allTextContents()).toEqual([
        '诗.txt',
        'gbk.txt',
      ]);
      await picture(page, 'attaching');
      await button(page, '移除 gbk.txt').click();
      await chat.ask(page, '这是谁写的？');
      expect(chat.server.asked[0]?.messages[0]?.content).toBe(
        '<file name="诗.txt">\n床前明月光\n疑是地上霜\n</file>\n\n这是谁写的？',
      );
      expect(await page.locator('.attachment-chips li').count()).toBe(0);
      await page.reload();
      await page.locator('.attachment-list summary').click();
      await page.getByText('疑是地上霜').waitFor();
      await picture(page, 'attached');
      expect(await exportAs(page, '这是谁写的？', '导出为 Markdown')).toContain(
        '**诗.txt**\n\n```\n床前明月光\n疑是地上霜\n```\n\n这是谁写的？',
      );
      // Editing the question keeps its file.
      await page.locator('.question').hover();
      await button(page, '编辑').click();
      await page.getByLabel('编辑消息').fill('哪个朝代？');
      await button(page, '重新发送').click();
      await poll(() => chat.server.asked.at(-1)?.messages[0]?.content).toContain('</file>\n\n哪个朝代？');
      expect(faults).toEqual([]);
    });

    longTest('are refused by name: no text, too large, too long for the context, empty', async () => {
      chat.server.maxModelLength = 1000;
      const { page } = await chat.open();
      await attach(page, [
        file('photo.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13])),
        file('huge.log', 'x'.repeat(4_000_001)),
        file('long.txt', '长'.repeat(2000)),
        file('empty.txt', '\n'),
        file('part-1.txt', 'a'.repeat(600)),
        file('part-2.txt', 'b'.repeat(600)),
      ]);
      await page.locator('.refusals p').nth(4).waitFor();
      expect(await page.locator('.refusals p').allTextContents()).toEqual([
        '没有添加 photo.png：它不是文本文件。',
        '没有添加 huge.log：它有 4.0 MB，最多只能读取 4 MB。',
        '没有添加 long.txt：它有 2,000 个词元，而模型只剩 937 个词元的位置。',
        '没有添加 empty.txt：里面没有内容。',
        '没有添加 part-2.txt：它有 600 个词元，而模型只剩 337 个词元的位置。',
      ]);
      await picture(page, 'refused');
      await chat.ask(page, '说了什么？');
      expect(await page.locator('.refusals p').count()).toBe(0);
      expect(chat.server.asked[0]?.messages[0]?.content).toContain('<file name="part-1.txt">');
    });

    it('are estimated where the server does not count, and taken where they are dropped', async () => {
      chat.server.canTokenize = false;
      const { page } = await chat.open();
      await page.evaluate(`(() => {
        const data = new DataTransfer();
        data.items.add(new File(['你好世界'], '问候.md'));
        document.querySelector('.thread').dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
      })()`);
      await page.getByText('问候.md').waitFor();
      await page.getByText('4 词元').waitFor();
      // A file alone is a message, too.
      await page.press(BOX, 'Enter');
      await poll(() => chat.server.asked[0]?.messages[0]?.content).toBe(
        '<file name="问候.md">\n你好世界\n</file>',
      );
      await poll(() => page.locator('.entry-text').textContent()).toBe('问候.md');
    });
  });

  describe('personas', () => {
    const languages: readonly [string, string, string, string, string][] = [
      ['zh-CN', '人设库', '使用', '中英翻译', '把中文译成英文'],
      ['en-GB', 'Personas', 'Use', 'Chinese–English translator', 'Translate Chinese into English'],
    ];
    it.each(casesOf(languages, (_, index) => index === 0))(
      'that come with the page are used and adapted in %s',
      async (locale, library, use, name, system) => {
        const { page } = await chat.open({ locale });
        await button(page, library).click();
        await page.locator('.personas').last().locator('li').first().waitFor();
        expect(await page.locator('.personas').last().locator('li').count()).toBe(6);
        await picture(page, `personas-${locale}`);
        await page.locator('.personas li', { hasText: name }).getByRole('button', { name: use }).click();
        await page.locator('.chip', { hasText: name }).waitFor();
        await chat.ask(page, 'Hello');
        expect(chat.server.asked[0]?.messages[0]?.role).toBe('system');
        expect(chat.server.asked[0]?.messages[0]?.content).toContain(system);
      },
    );
  });

  describe('a full context', () => {
    it('is made room in: the oldest turns are left out, seen so, and brought back', async () => {
      chat.server.mostMessages = 4;
      const { page } = await chat.open();
      for (const question of [SKY, '用表格比较三种茶']) await chat.ask(page, question);
      await page.fill(BOX, '再来一首');
      await page.press(BOX, 'Enter');
      await page.getByText('对话超出了模型能读的长度。').waitFor();
      await picture(page, 'too-long');
      await button(page, '略去最早的对话').click();
      await poll(() => chat.server.asked.at(-1)?.messages[0]?.content).toBe('用表格比较三种茶');
      await poll(() => chat.server.asked.at(-1)?.isFinished).toBe(true);
      await page.getByText('模型不再阅读最早的 2 条消息。').waitFor();
      expect(await page.locator('.turn.left-out').count()).toBe(2);
      await page.getByText('模型从这里开始阅读').waitFor();
      await picture(page, 'left-out');
      await page.reload();
      await page.getByText('模型不再阅读最早的 2 条消息。').waitFor();
      chat.server.mostMessages = 100;
      await button(page, '恢复阅读').click();
      await poll(() => page.locator('.turn.left-out').count()).toBe(0);
      await chat.ask(page, '还有呢');
      expect(chat.server.asked.at(-1)?.messages).toHaveLength(7);
    });

    longTest('offers it before it is full; a last message that is too long is said to be so', async () => {
      chat.server.maxModelLength = 500;
      const { page } = await chat.open({ locale: 'en-GB', ...PHONE });
      await chat.ask(page, `Why is the sky blue? ${'Tell me. '.repeat(20)}`);
      expect(await page.getByText('The context is nearly full.').count()).toBe(0);
      await chat.ask(page, `Why? ${'Tell me more. '.repeat(10)}`);
      await page.getByText('The context is nearly full.').waitFor();
      await picture(page, 'phone-nearly-full');
      await button(page, 'Leave out the oldest turns').click();
      await page.getByText('The model does not read the 2 oldest messages.').waitFor();
      expect(await width(page)).toBe(390);
      chat.server.mostMessages = 0;
      await button(page, 'New conversation').click();
      await page.fill(BOX, 'Much too long');
      await page.click('.send[type=submit]');
      await button(page, 'Leave out the oldest turns').click();
      await page.getByText('There is nothing older to leave out').waitFor();
    });
  });

  describe('storage', () => {
    const lasting = async (page: Page, text: string): Promise<void> => {
      await page.getByText(text).waitFor();
      // Other notices go after three seconds.
      await page.waitForTimeout(3600);
      expect(await page.getByText(text).isVisible()).toBe(true);
    };

    longTest('that never opens: the page comes, answers, and says so for as long as it lasts', async () => {
      const { page, faults } = await chat.open({}, 'indexedDB.open = () => ({})');
      await chat.ask(page, SKY);
      expect(await answerText(page)).toContain('这就是晚霞');
      expect(await page.locator('.entry-text').allTextContents()).toEqual([SKY]);
      await lasting(page, '这个浏览器不为本页面保存数据');
      await picture(page, 'storage-closed');
      const downloading = page.waitForEvent('download');
      await page.locator('.storage-banner').getByRole('button', { name: '全部导出' }).click();
      expect(readFileSync(await (await downloading).path(), 'utf8')).toContain(SKY);
      expect(faults).toEqual([]);
    });

    const refusals: readonly [string, string][] = [
      ['throws', "indexedDB.open = () => { throw new DOMException('no', 'SecurityError') }"],
      ['is absent', "Object.defineProperty(window, 'indexedDB', { get: () => undefined })"],
    ];
    it.each(casesOf(refusals, (_, index) => index === 0))('that %s: likewise', async (_, script) => {
      const { page } = await chat.open({}, script);
      await chat.ask(page, SKY);
      await page.getByText('这个浏览器不为本页面保存数据').waitFor();
      expect(await answerText(page)).toContain('这就是晚霞');
    });

    longTest('that opens late takes what was said meanwhile', async () => {
      const { page } = await chat.open(
        {},
        `const open = indexedDB.open.bind(indexedDB);
        indexedDB.open = (...given) => {
          const late = {};
          setTimeout(() => {
            const request = open(...given);
            request.onupgradeneeded = () => { late.result = request.result; late.onupgradeneeded(); };
            request.onsuccess = () => { late.result = request.result; late.onsuccess(); };
          }, 12_000);
          return late;
        };`,
      );
      await chat.ask(page, SKY);
      await page.getByText('这个浏览器不为本页面保存数据').waitFor();
      await page.getByText('这个浏览器不为本页面保存数据').waitFor({ state: 'detached' });
      await page.reload();
      await poll(() => page.locator('.entry-text').allTextContents()).toEqual([SKY]);
    });

    const full: readonly [string, string][] = [
      ['refuses', "throw new DOMException('full', 'QuotaExceededError')"],
      ['aborts', 'this.transaction.abort()'],
    ];
    it.each(casesOf(full, (_, index) => index === 0))(
      'that is full (it %s) loses no question, and takes it when there is room again',
      async (_, refusal) => {
        const { page, faults } = await chat.open(
          {},
          `window.isFull = false;
        const put = IDBObjectStore.prototype.put;
        IDBObjectStore.prototype.put = function (...given) {
          const request = put.apply(this, given);
          if (window.isFull) { ${refusal}; }
          return request;
        };`,
        );
        await chat.ask(page, SKY);
        await page.evaluate('window.isFull = true');
        await chat.ask(page, '用表格比较三种茶');
        await lasting(page, '浏览器存储已满');
        await picture(page, 'storage-full');
        await button(page, '新对话').click();
        await chat.ask(page, '再来一首');
        await page.locator('.entry-title').last().click();
        await poll(() => page.locator('.turn').count()).toBe(4);
        await page.evaluate('window.isFull = false');
        await chat.ask(page, '还有呢');
        await page.getByText('浏览器存储已满').waitFor({ state: 'detached' });
        await page.reload();
        await poll(() => page.locator('.turn').count()).toBe(6);
        expect(await page.locator('.entry-text').allTextContents()).toEqual([SKY, '再来一首']);
        expect(faults).toEqual([]);
      },
    );
  });
});
