/** Without a keyboard under the fingers there is no Shift + Enter: there Enter is a new line, and the button sends. */
export const hasKeyboard = (): boolean => !matchMedia('(hover: none) and (pointer: coarse)').matches;

/** Enter that sends; not Shift + Enter, and not the Enter that ends a composition of an input method. */
export function isSendKey(event: KeyboardEvent): boolean {
  // Safari ends the composition before the key comes; 229 tells that it still belongs to it.
  return (
    event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229 && hasKeyboard()
  );
}
