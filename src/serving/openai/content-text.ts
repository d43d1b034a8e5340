/** The text of a message, whether it came whole or in parts. */
export function contentText(content: string | readonly { readonly text: string }[] = ''): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}
