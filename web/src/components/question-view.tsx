/** What the user wrote, and the way to write it anew. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Message } from '../conversation/conversation.js';
import { useObserved } from '../state/observable.js';
import { RemoveMessageButton } from './answer-actions.js';
import { AttachmentList } from './attachment-views.js';
import { IconButton } from './button.js';
import { CopyButton } from './copy-button.js';
import { MarkdownView } from './markdown-view.js';
import { returnToMessageBox } from './message-box.js';
import { isSendKey } from './send-key.js';
import { useSession, useTexts } from './session.js';

interface QuestionProps {
  readonly message: Message;
  readonly versions: ComponentChildren;
  readonly isNear: boolean;
}

export function QuestionView({ message, versions, isNear }: QuestionProps): JSX.Element {
  const { editing } = useSession();
  const say = useTexts();
  const isEditing = useObserved(editing, (id) => id === message.id);
  if (isEditing) return <QuestionEditor message={message} />;
  return (
    <article aria-label={say.you}>
      <AttachmentList attachments={message.attachments ?? []} />
      {message.text !== '' && (
        <div class="bubble">
          {isNear ? (
            <MarkdownView text={message.text} isGrowing={false} />
          ) : (
            <p class="plain-text" dir="auto">
              {message.text}
            </p>
          )}
        </div>
      )}
      <div class="actions">
        {versions}
        <CopyButton text={message.text} />
        <IconButton icon="edit" label={say.edit} onClick={() => editing.set(message.id)} />
        <RemoveMessageButton message={message} />
      </div>
    </article>
  );
}

function QuestionEditor({ message }: { readonly message: Message }): JSX.Element {
  const { workbench, editing } = useSession();
  const say = useTexts();
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    area.current?.focus();
    area.current?.setSelectionRange(message.text.length, message.text.length);
  }, [message.text.length]);
  /** The editor goes, and typing goes on in the message box. */
  const leave = (): void => {
    editing.set(undefined);
    returnToMessageBox();
  };
  const send = (): void => {
    const text = area.current?.value.trim() ?? '';
    if (text === '') return;
    leave();
    void workbench.edit(message, text);
  };
  return (
    <div class="editor">
      <textarea
        ref={area}
        aria-label={say.editMessage}
        defaultValue={message.text}
        rows={3}
        dir="auto"
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            leave();
          }
          if (!isSendKey(event)) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="row end">
        <button type="button" class="plain" onClick={leave}>
          {say.cancel}
        </button>
        <button type="button" class="primary" onClick={send}>
          {say.sendEdited}
        </button>
      </div>
    </div>
  );
}
