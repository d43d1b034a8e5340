/** What the user wrote, and the way to write it anew. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Message } from '../conversation/conversation.js';
import { useObserved } from '../state/observable.js';
import { IconButton } from './button.js';
import { CopyButton } from './copy-button.js';
import { MarkdownView } from './markdown-view.js';
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
      <div class="bubble">
        {isNear ? (
          <MarkdownView text={message.text} isGrowing={false} />
        ) : (
          <p class="plain-text">{message.text}</p>
        )}
      </div>
      <div class="actions">
        {versions}
        <CopyButton text={message.text} />
        <IconButton icon="edit" label={say.edit} onClick={() => editing.set(message.id)} />
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
  const send = (): void => {
    const text = area.current?.value.trim() ?? '';
    if (text === '') return;
    editing.set(undefined);
    void workbench.edit(message, text);
  };
  return (
    <div class="editor">
      <textarea
        ref={area}
        aria-label={say.editMessage}
        defaultValue={message.text}
        rows={3}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.stopPropagation();
            editing.set(undefined);
          }
          if (!isSendKey(event)) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="row end">
        <button type="button" class="plain" onClick={() => editing.set(undefined)}>
          {say.cancel}
        </button>
        <button type="button" class="primary" onClick={send}>
          {say.sendEdited}
        </button>
      </div>
    </div>
  );
}
