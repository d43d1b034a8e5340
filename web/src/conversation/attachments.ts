/** Text files beside a question: read, judged, and written into the prompt. */
import type { Attachment } from './conversation.js';

/** Larger ones are not even read. */
export const MOST_BYTES = 4_000_000;

export type AttachmentFault =
  | { readonly kind: 'not-text' }
  | { readonly kind: 'too-large'; readonly bytes: number }
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'empty' };

/** @returns its text, or why it is none */
export function decodeTextFile(bytes: Uint8Array): string | AttachmentFault {
  if (bytes.length > MOST_BYTES) return { kind: 'too-large', bytes: bytes.length };
  const encodings =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? ['utf-16le']
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? ['utf-16be']
        : // What older Chinese programs write.
          ['utf-8', 'gb18030'];
  for (const encoding of encodings) {
    const text = decode(bytes, encoding);
    if (text === undefined || hasControls(text)) continue;
    return text.trim() === '' ? { kind: 'empty' } : text.replaceAll('\r\n', '\n');
  }
  return { kind: 'not-text' };
}

function decode(bytes: Uint8Array, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text has tabs, line ends and form feeds; pictures and archives have all the others. */
function hasControls(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 127 || (code < 32 && !(code >= 9 && code <= 13) && code !== 27)) return true;
  }
  return false;
}

/** The files first, as models are used to it, then what is asked about them. */
export function withAttachments(text: string, attachments: readonly Attachment[] = []): string {
  const files = attachments.map(
    ({ name, text: content }) => `<file name="${name.replaceAll('"', "'")}">\n${content.trimEnd()}\n</file>`,
  );
  return [...files, text].filter((part) => part !== '').join('\n\n');
}
