import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockCutter, renderMarkdown } from './markdown.js';

const document = `# 标题

段落一，**粗体**与 $a_1$。
第二行

- 一
- 二

  续

\`\`\`python
x = 1

# 不是标题
\`\`\`

$$
\\begin{aligned}
a &= b \\\\
- c &= d
\\end{aligned}

e
$$

| a | b |
|---|---|
| 1 | 2 |

> 引用
懒行

结尾
===
1. a

2. b
`;

describe('renderMarkdown', () => {
  it('writes no markup of the text', () => {
    const html = renderMarkdown('<script>alert(1)</script> <img src=x onerror=y>\n\n<div>');
    expect(html).not.toMatch(/<(?:script|img|div)/);
  });

  it('loads no pictures, and follows no script addresses', () => {
    expect(renderMarkdown('![图](https://e.org/p.png)')).toBe(
      '<p><a href="https://e.org/p.png">图</a></p>\n',
    );
    expect(renderMarkdown('[x](javascript:alert(1))')).not.toContain('href');
  });

  it('aligns the columns of tables by class', () => {
    const html = renderMarkdown('| a | b | c |\n|:--|:-:|--:|\n| 1 | 2 | 3 |');
    expect(html).toContain('<td>1</td>\n<td class="align-center">2</td>\n<td class="align-right">3</td>');
    expect(html).not.toContain('style');
  });

  it.each([
    ['$x+1$', '<span class="math">x+1</span>'],
    ['\\(x+1\\)', '<span class="math">x+1</span>'],
    ['$$x$$ 同行', '<span class="math display">x</span>'],
    ['$$\nx\n$$', '<div class="math display">x</div>'],
    ['\\[\nx\n\\]', '<div class="math display">x</div>'],
    ['\\[x\\]', '<div class="math display">x</div>'],
    ['$a<b$', '<span class="math">a&lt;b</span>'],
    ['- 项\n\n  $$\n  x\n  $$', '<div class="math display">x</div>'],
  ])('finds the formula in %j', (source, expected) => {
    expect(renderMarkdown(source)).toContain(expected);
  });

  it.each(['价格 $5 和 $6', '$ x $', '\\$x$', '`$x$`', '$$', '花了 $100'])('leaves %j as it is', (source) => {
    expect(renderMarkdown(source)).not.toContain('math');
  });
});

describe('BlockCutter', () => {
  it('gives the same page in one piece and in many, wherever it is cut', () => {
    const cuts = fc.array(fc.nat(document.length), { maxLength: 30 });
    const whole = renderMarkdown(document);
    fc.assert(
      fc.property(cuts, (places) => {
        const cutter = new BlockCutter();
        for (const place of places.sort((a, b) => a - b)) cutter.cut(document.slice(0, place));
        const blocks = cutter.cut(document);
        expect(blocks.join('')).toBe(document);
        expect(blocks.map(renderMarkdown).join('')).toBe(whole);
      }),
    );
  });

  it('loses nothing of any text, and keeps what it has settled', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a\n\r\t >`~#*|$\\[\]-]{0,12}$/)), (pieces) => {
        const cutter = new BlockCutter();
        let text = '';
        let before: readonly string[] = [];
        for (const piece of pieces) {
          text += piece;
          const blocks = cutter.cut(text);
          expect(blocks.join('')).toBe(text);
          expect(blocks.slice(0, Math.max(0, before.length - 2))).toEqual(before.slice(0, -2));
          before = blocks;
        }
      }),
    );
  });

  it('begins anew with another text', () => {
    const cutter = new BlockCutter();
    cutter.cut('a\n\nb\n\nc');
    expect(cutter.cut('x\n\ny')).toEqual(['x\n\n', 'y']);
  });
});
