/** `- [ ] to do` and `- [x] done` for markdown-it, as GitHub writes task lists: a sign that cannot be ticked here. */
import type MarkdownIt from 'markdown-it';

export function addTaskLists(markdown: MarkdownIt): void {
  markdown.core.ruler.after('inline', 'task-lists', ({ tokens, Token }) => {
    for (const [index, token] of tokens.entries()) {
      // A paragraph that begins an item.
      if (token.type !== 'inline' || tokens[index - 2]?.type !== 'list_item_open') continue;
      const text = token.children?.[0];
      const mark = /^\[([ xX])\][ \u00a0]/.exec(text?.content ?? '');
      if (text?.type !== 'text' || mark === null) continue;
      text.content = text.content.slice(mark[0].length);
      const sign = new Token('task', 'span', 0);
      sign.meta = { isDone: mark[1] !== ' ' };
      token.children?.unshift(sign);
      tokens[index - 2]?.attrJoin('class', 'task-item');
    }
  });
  markdown.renderer.rules.task = (tokens, index) => {
    const isDone: unknown = tokens[index]?.meta.isDone;
    return isDone === true ? '<span class="task done">☑</span>' : '<span class="task">☐</span>';
  };
}
