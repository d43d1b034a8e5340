/** Enter that sends; not Shift + Enter, and not the Enter that ends a composition of an input method. */
export function isSendKey(event: KeyboardEvent): boolean {
  // Safari ends the composition before the key comes; 229 tells that it still belongs to it.
  return event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229;
}
