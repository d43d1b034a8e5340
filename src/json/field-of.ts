/** A value of parsed JSON whose shape is not known. */

/** undefined where it has no such key of its own, or is no object. */
export function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? Reflect.get(value, key)
    : undefined;
}
