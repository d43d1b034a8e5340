/** A conversation as long as they get, as a file that the page imports. */

/** @param count messages of about 2 KB, questions and answers in turn */
export function longHistory(count: number): string {
  const filler = '星河在夜空中缓缓流过，**每一颗星**都有自己的名字和 `光度`。';
  const messages = Array.from({ length: count }, (_, index) => ({
    id: `m${index}`,
    parent: index === 0 ? null : `m${index - 1}`,
    role: index % 2 === 0 ? 'user' : 'assistant',
    text: `### 第 ${index + 1} 条\n\n${filler.repeat(8)}\n\n- 其一\n- 其二，$a_{${index}}^2$\n\n${filler.repeat(8)}\n\n\`\`\`js\nconst index = ${index};\n\`\`\``,
    createdAt: index,
    state: 'complete',
    model: 'telechat-7b',
  }));
  const conversation = {
    title: '很长的对话',
    createdAt: 1,
    updatedAt: 2,
    system: '',
    selected: {},
    messages,
  };
  return JSON.stringify({ format: 'xinghe-conversations', version: 1, conversations: [conversation] });
}
