/** The frame of every dialog: a title, a way out, and the keyboard kept within. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { IconButton } from './button.js';
import { useSession, useTexts } from './session.js';

interface DialogProps {
  readonly title: string;
  /** A drawer at the side leaves the conversation in view. */
  readonly kind: 'drawer' | 'card';
  readonly children: ComponentChildren;
}

export function Dialog({ title, kind, children }: DialogProps): JSX.Element {
  const { dialog } = useSession();
  const say = useTexts();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const { current } = element;
    const before = document.activeElement;
    current?.showModal();
    const onBackdrop = ({ target }: MouseEvent): void => {
      if (target === current) dialog.set(undefined);
    };
    current?.addEventListener('mousedown', onBackdrop);
    return () => {
      current?.removeEventListener('mousedown', onBackdrop);
      if (before instanceof HTMLElement) before.focus();
    };
  }, [dialog]);
  return (
    <dialog class={`sheet ${kind}`} ref={element} aria-label={title} onClose={() => dialog.set(undefined)}>
      <div class="sheet-inner">
        <div class="sheet-head">
          <h2>{title}</h2>
          <IconButton icon="close" label={say.close} onClick={() => dialog.set(undefined)} />
        </div>
        <div class="sheet-body">{children}</div>
      </div>
    </dialog>
  );
}
