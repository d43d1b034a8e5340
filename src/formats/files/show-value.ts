/** A parsed JSON value for a message: short whatever its size, safe whatever its depth. */
export function showValue(value: unknown): string {
  if (Array.isArray(value)) {
    const shown = value.slice(0, 8).map((item) => (isNested(item) ? '…' : showScalar(item)));
    return `[${shown.join(', ')}${value.length > 8 ? `, … ${value.length} in all` : ''}]`;
  }
  return isNested(value) ? 'an object' : showScalar(value);
}

function isNested(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function showScalar(value: unknown): string {
  if (value === undefined) return 'nothing';
  // A text of megabytes is cut before it is escaped, not after.
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
