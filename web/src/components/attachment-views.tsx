/** Attached files: beside the message that is being written, and above the question that has them. */
import type { JSX } from 'preact';
import type { Attachment } from '../conversation/conversation.js';
import { whole } from '../texts/numbers.js';
import { IconButton } from './button.js';
import { Icon } from './icons.js';
import { useTexts } from './session.js';

interface ChipsProps {
  readonly attachments: readonly Attachment[];
  readonly onRemove: (attachment: Attachment) => void;
}

export function AttachmentChips({ attachments, onRemove }: ChipsProps): JSX.Element | null {
  const say = useTexts();
  if (attachments.length === 0) return null;
  return (
    <ul class="attachment-chips" aria-label={say.attachments}>
      {attachments.map((attachment) => (
        <li key={attachment.name}>
          <Icon name="file" />
          <span class="attachment-name" dir="auto" title={attachment.name}>
            {attachment.name}
          </span>
          <span class="attachment-size">{say.tokens(whole(attachment.tokens))}</span>
          <IconButton
            icon="close"
            label={say.removeAttachment(attachment.name)}
            onClick={() => onRemove(attachment)}
          />
        </li>
      ))}
    </ul>
  );
}

export function AttachmentList({ attachments }: Pick<ChipsProps, 'attachments'>): JSX.Element | null {
  const say = useTexts();
  if (attachments.length === 0) return null;
  return (
    <ul class="attachment-list" aria-label={say.attachments}>
      {attachments.map(({ name, text, tokens }) => (
        <li key={name}>
          <details>
            <summary>
              <Icon name="file" />
              <span class="attachment-name" dir="auto" title={name}>
                {name}
              </span>
              <span class="attachment-size">{say.tokens(whole(tokens))}</span>
            </summary>
            <pre dir="auto">{text}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}
