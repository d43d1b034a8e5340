/** The second wall of the chat page, alone: markup that never went through markdown, in a real browser. */
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPath } from './support/chat-page/browser.js';
import { requiresBrowser } from './support/requires.js';

const executablePath = browserPath();

/** What has got through other walls; each would set window.broken. */
const ATTACKS = [
  '<script>broken = 1</script>',
  '<img src=x onerror="broken = 1">',
  '<svg onload="broken = 1"><script>broken = 1</script></svg>',
  '<svg><animate onbegin="broken = 1" attributeName=x dur=1s></svg>',
  '<math><mtext><table><mglyph><style><img src=x onerror="broken = 1"></style></mglyph></table></mtext></math>',
  '<math href="javascript:broken = 1">x</math>',
  '<iframe srcdoc="<script>parent.broken = 1</script>"></iframe>',
  '<a href="javascript:broken = 1">x</a>',
  '<a href="JaVa&#x0A;Script:broken = 1">x</a>',
  '<a href="data:text/html,<script>broken = 1</script>">x</a>',
  '<form action="javascript:broken = 1"><button>x</button></form>',
  '<input autofocus onfocus="broken = 1">',
  '<details open ontoggle="broken = 1">x</details>',
  '<video><source onerror="broken = 1"></video>',
  '<style>@import "https://example.org/x.css"; body { display: none }</style>',
  '<p style="background: url(https://example.org/x.png); position: fixed">x</p>',
  '<p id="app" name="location" is="x-y" tabindex="0" data-x="1">x</p>',
  '<base href="https://example.org/"><meta http-equiv="refresh" content="0;url=https://example.org">',
  '<noscript><p title="</noscript><img src=x onerror=broken=1>">',
  '<template><img src=x onerror="broken = 1"></template>',
  '<object data="javascript:broken = 1"></object><embed src="javascript:broken = 1">',
  '<p class="sheet confirm skip send">x</p>',
];

describe('sanitizing', requiresBrowser(executablePath), () => {
  let browser: Browser;
  let page: Page;
  const asked: string[] = [];

  beforeAll(async () => {
    const output = await build({
      configFile: false,
      logLevel: 'silent',
      build: {
        write: false,
        lib: {
          entry: fileURLToPath(new URL('../web/src/markdown/sanitize.ts', import.meta.url)),
          formats: ['iife'],
          name: 'sanitizing',
        },
      },
    });
    const [bundle] = Array.isArray(output) ? output : [output];
    if (bundle === undefined || !('output' in bundle)) throw new Error('nothing was bundled');
    browser = await chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu'],
    });
    page = await browser.newPage();
    await page.goto('about:blank');
    page.on('request', (request) => asked.push(request.url()));
    await page.evaluate(`${bundle.output[0].code}; window.sanitizing = sanitizing;`);
  });
  afterAll(() => browser?.close());

  /** The markup that is left, after it has stood in a document for a moment. */
  function leftOf(html: string): Promise<unknown> {
    return page.evaluate(`new Promise((resolve) => {
      const home = document.createElement('div');
      document.body.replaceChildren(home);
      home.append(sanitizing.createSanitizer(window)(${JSON.stringify(html)}));
      for (const element of home.querySelectorAll('*')) element.click();
      setTimeout(() => resolve(home.innerHTML), 20);
    })`);
  }

  it.each(ATTACKS)('makes nothing of %s', async (attack) => {
    const left = String(await leftOf(attack));
    expect(left).not.toMatch(
      /<(?!\/?(?:p|a|pre|code|span|div|table|tbody|tr|td)\b)|\son|style=|id=|javascript:|data:|data-|tabindex|name=|class=/i,
    );
    expect(await page.evaluate('window.broken')).toBe(undefined);
    expect(asked).toEqual([]);
    expect(page.url()).toBe('about:blank');
  });

  it('leaves what markdown writes', async () => {
    const html =
      '<h2>a</h2><ol start="3"><li><strong>b</strong></li></ol><pre><code class="language-c++">c</code></pre><span class="math display">d</span><table><thead><tr><th>e</th></tr></thead></table>';
    expect(await leftOf(html)).toBe(html);
    expect(await leftOf('<a href="https://example.org/x" title="t">x</a>')).toBe(
      '<a href="https://example.org/x" title="t" target="_blank" rel="noopener noreferrer nofollow">x</a>',
    );
  });
});
