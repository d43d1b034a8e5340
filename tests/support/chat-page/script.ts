/** What the mock server says. */

const CODE = `当然可以。思路是逐个比较：以**第一个字符串**为准，遇到不同就截断。

\`\`\`python
def longest_common_prefix(words: list[str]) -> str:
    """返回一组字符串的最长公共前缀。"""
    if not words:
        return ""
    prefix = words[0]
    for word in words[1:]:
        while not word.startswith(prefix):
            prefix = prefix[:-1]  # 每次去掉一个字符
    return prefix


assert longest_common_prefix(["星河", "星光", "星辰"]) == "星"
assert longest_common_prefix([]) == ""
\`\`\`

时间复杂度是 \`O(n·m)\`，其中 n 是字符串个数，m 是前缀长度。还可以注意两点：

1. 空列表要单独处理；
2. Python 自带的 \`os.path.commonprefix\` 做的正是这件事。`;

const FORMULA = `用“裂项”的办法。先看恒等式

$$
(k+1)^3 - k^3 = 3k^2 + 3k + 1 .
$$

对 $k = 1, 2, \\dots, n$ 相加，左边相消，得到

\\[
(n+1)^3 - 1 = 3\\sum_{k=1}^{n} k^2 + 3\\cdot\\frac{n(n+1)}{2} + n ,
\\]

整理后就是 \\(\\sum_{k=1}^{n} k^2 = \\dfrac{n(n+1)(2n+1)}{6}\\)。

> 验证：当 $n = 3$ 时，$1 + 4 + 9 = 14$，而 $\\frac{3\\cdot 4\\cdot 7}{6} = 14$。`;

const TABLE = `三种茶的主要差别在于**发酵程度**：

| | 绿茶 | 乌龙茶 | 红茶 |
|---|---|---|---|
| 工艺 | 不发酵，杀青后揉捻 | 半发酵，做青 | 全发酵，萎凋后揉捻 |
| 口感 | 清鲜，略带豆香 | 醇厚，花果香 | 甜润，蜜香 |
| 水温 | 80 °C | 95–100 °C | 90–95 °C |
| 时间 | 1–2 分钟 | 20–40 秒，可多次 | 1–2 分钟 |

### 建议

- 初次尝试可以从**西湖龙井**开始；
- 喜欢香气就选*铁观音*或凤凰单丛；
- 配牛奶的话，[祁门红茶](https://example.org/keemun)是不错的选择。`;

const PLAIN = `天空之所以是蓝的，是因为阳光穿过大气时会被空气里的小分子“弹”向四面八方，而蓝光比红光更容易被弹开。于是无论你朝哪个方向看，都会有一些蓝光飞进眼睛。

到了傍晚，太阳贴近地平线，光要走的路长了许多，蓝光在半路上就散得差不多了，剩下橙色和红色来到你面前，这就是晚霞。`;

const ENGLISH = `The sky is blue because sunlight is scattered by the molecules of the air, and blue light is scattered far more than red. Whichever way you look, some of that blue reaches your eyes.

At sunset the light has a longer way to go. Most of the blue has been scattered out of it by then, and **orange and red** are what is left.`;

const HOSTILE = `<script>window.broken = 1</script><img src=x onerror="window.broken = 2">

[按这里](javascript:window.broken=3) ![图](https://example.org/pixel.png)

<a href="https://example.org" onclick="window.broken = 4">链接</a> \`<script>\``;

const THINKING = `<think>
用户想知道**最短的路**。先列出三条，再比较长度。
</think>

走**第二条**路，只要八分钟。`;

const TASKS = `出发前要做的事：

- [x] 订车票
- [ ] 收拾行李
  - [ ] 充电器
  - [x] 雨伞
- 不是任务

\`\`\`mermaid
graph LR
  A[家] --> B[车站]
\`\`\``;

/** Each wider than a telephone, or deeper. */
const WIDE = `行内公式 $\\underbrace{b_1+b_2+b_3+b_4+b_5+b_6+b_7+b_8+b_9+b_{10}+b_{11}+b_{12}+b_{13}+b_{14}+b_{15}+a_1+a_2+a_3+a_4+a_5+a_6+a_7+a_8+a_9+a_{10}+a_{11}+a_{12}+a_{13}+a_{14}+a_{15}+a_{16}+a_{17}+a_{18}+a_{19}+a_{20}+a_{21}+a_{22}+a_{23}+a_{24}}_{n}$ 很宽，而 $x^2$ 不宽。

${Array.from({ length: 24 }, (_, depth) => `${'  '.repeat(depth)}- 第 ${depth + 1} 层`).join('\n')}

${Array.from({ length: 24 }, (_, depth) => `${'> '.repeat(depth + 1)}引用 ${depth + 1}`).join('\n')}

1234567. 编号很大的一项`;

const ARABIC = `السماء زرقاء لأن الضوء الأزرق يتبعثر أكثر من غيره.

- أولاً: الضوء
- Second: English inside
- שלישי: עברית

The last paragraph is English, with $x = 1$ and \`code\`.`;

export interface ReasonedAnswer {
  readonly reasoning: string;
  readonly text: string;
}

/** @returns the answer to the last question */
export function script(
  messages: readonly { readonly role: string; readonly content: string }[],
  isContinuation: boolean,
  model: string,
): string | ReasonedAnswer {
  const question = messages.findLast(({ role }) => role === 'user')?.content ?? '';
  const system = messages.find(({ role }) => role === 'system')?.content;
  if (isContinuation) return '（接着说）这就是全部。';
  if (system?.includes('猫') === true) return '喵，我是一只猫。';
  if (model === 'poet') return '秋水长天一色，\n落霞孤鹜齐飞。\n\n愿你所见的天空，也有这样的颜色。';
  if (/Python|代码/.test(question)) return CODE;
  if (/公式|formula/.test(question)) return FORMULA;
  if (/表格|table/.test(question)) return TABLE;
  if (/思考/.test(question)) return THINKING;
  if (/推理/.test(question)) return { reasoning: '先想一想，再**回答**。', text: '答案是四十二。' };
  if (/任务/.test(question)) return TASKS;
  if (/很宽/.test(question)) return WIDE;
  if (/عربي/.test(question)) return ARABIC;
  if (/攻击/.test(question)) return HOSTILE;
  if (/长文/.test(question))
    return Array.from({ length: 60 }, (_, index) => `第${index + 1}段。${PLAIN}`).join('\n\n');
  return /[\u4e00-\u9fff]/.test(question) ? PLAIN : ENGLISH;
}
