/** Asks for confirmation of what cannot be undone. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Observable, useValue } from '../state/observable.js';
import { useTexts } from './session.js';

interface Question {
  readonly text: string;
  readonly action: string;
  readonly answer: (isYes: boolean) => void;
}

const question = new Observable<Question | undefined>(undefined);

export function confirmAction(text: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    question.set({
      text,
      action,
      answer: (isYes) => {
        question.set(undefined);
        resolve(isYes);
      },
    });
  });
}

export function ConfirmDialog(): JSX.Element | null {
  const asked = useValue(question);
  const say = useTexts();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (asked !== undefined) dialog.current?.showModal();
  }, [asked]);
  if (asked === undefined) return null;
  return (
    <dialog class="confirm" ref={dialog} aria-label={asked.action} onClose={() => asked.answer(false)}>
      <p>{asked.text}</p>
      <div class="row end">
        <button type="button" class="plain" onClick={() => asked.answer(false)}>
          {say.cancel}
        </button>
        <button type="button" class="danger" onClick={() => asked.answer(true)}>
          {asked.action}
        </button>
      </div>
    </dialog>
  );
}
