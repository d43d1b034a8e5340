import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { IconButton } from './button.js';
import { copyText } from './markdown-view.js';
import { useSession, useTexts } from './session.js';

export function CopyButton({ text }: { readonly text: string }): JSX.Element {
  const { announcement, notice } = useSession();
  const say = useTexts();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async (): Promise<void> => {
    if (!(await copyText(text))) {
      notice.set(say.copyFailed);
      return;
    }
    setCopied(true);
    announcement.set(say.copied);
  };
  return (
    <IconButton
      icon={isCopied ? 'check' : 'copy'}
      label={isCopied ? say.copied : say.copy}
      onClick={() => void copy()}
    />
  );
}
