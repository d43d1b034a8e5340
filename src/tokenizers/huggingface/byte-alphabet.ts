/**
 * The byte-level alphabet of GPT-2: each byte as one printable character. Bytes that print keep their Latin-1
 * character, the others take U+0100, U+0101, … in order.
 */
export const BYTE_CHARACTERS: readonly string[] = buildAlphabet();

/** Byte of each character of the alphabet, by code unit; -1 elsewhere. */
const BYTE_OF_UNIT = new Int16Array(0x200).fill(-1);
for (const [byte, character] of BYTE_CHARACTERS.entries()) BYTE_OF_UNIT[character.charCodeAt(0)] = byte;

function buildAlphabet(): string[] {
  const prints = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : next++));
}

/** UTF-8 of a text, written in the alphabet. */
export function toByteCharacters(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text)) out += BYTE_CHARACTERS[byte];
  return out;
}

/** Bytes of a token: those its characters stand for, or its own UTF-8 where one is not of the alphabet. */
export function bytesOfToken(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let index = 0; index < token.length; index++) {
    const byte = BYTE_OF_UNIT[token.charCodeAt(index)] ?? -1;
    if (byte < 0) return Buffer.from(token);
    bytes[index] = byte;
  }
  return bytes;
}
