/** What a model thought before it answered: there for those who want it, folded for the others. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { MarkdownView } from './markdown-view.js';
import { useTexts } from './session.js';

interface ThinkingProps {
  readonly text: string;
  /** It goes on. */
  readonly isGrowing: boolean;
}

export function ThinkingView({ text, isGrowing }: ThinkingProps): JSX.Element {
  const say = useTexts();
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="thinking" open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {isGrowing && <span class="pulse" aria-hidden="true" />}
        {isGrowing ? say.thinkingNow : say.thought}
      </summary>
      {isOpen && <MarkdownView text={text} isGrowing={isGrowing} />}
    </details>
  );
}
