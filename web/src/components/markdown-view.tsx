/** Markdown on the page, block by block: a block whose source stays is not drawn again. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import { type BlockLabels, drawBlock } from '../markdown/draw-block.js';
import { markWide } from '../markdown/mark-wide.js';
import { BlockCutter } from '../markdown/markdown.js';
import { useSession, useTexts } from './session.js';

interface MarkdownProps {
  readonly text: string;
  /** More is to come. */
  readonly isGrowing: boolean;
}

export function MarkdownView({ text, isGrowing }: MarkdownProps): JSX.Element {
  const say = useTexts();
  const { notice } = useSession();
  const cutter = useMemo(() => new BlockCutter(), []);
  const labels = useMemo((): BlockLabels => ({ copy: say.copy, code: say.code }), [say]);
  const root = useRef<HTMLDivElement>(null);
  const blocks = cutter.cut(text);
  // One listener for the buttons of all code in it, which are drawn outside of the framework.
  useEffect(() => {
    const element = root.current;
    const onClick = ({ target }: MouseEvent): void => {
      if (!(target instanceof HTMLElement) || !target.matches('.copy-code')) return;
      const code = target.closest('.code-box')?.querySelector('code')?.textContent ?? '';
      void copyText(code).then((isCopied) => {
        notice.set(isCopied ? say.copied : say.copyFailed);
        if (!isCopied) return;
        target.textContent = say.copied;
        setTimeout(() => {
          target.textContent = say.copy;
        }, 1600);
      });
    };
    element?.addEventListener('click', onClick);
    return () => element?.removeEventListener('click', onClick);
  }, [say, notice]);
  useEffect(() => {
    const element = root.current;
    if (element === null) return undefined;
    // Formulas come a little after the text; their coming changes a size, as does every other cause of new widths.
    const observer = new ResizeObserver(() => markWide(element));
    observer.observe(element);
    for (const block of element.children) observer.observe(block);
    return () => observer.disconnect();
  }, [blocks.length]);
  return (
    <div class="markdown" ref={root}>
      {blocks.map((source, index) => (
        <Block
          key={index}
          source={source}
          labels={labels}
          isGrowing={isGrowing && index === blocks.length - 1}
        />
      ))}
    </div>
  );
}

interface BlockProps {
  readonly source: string;
  readonly labels: BlockLabels;
  readonly isGrowing: boolean;
}

function Block({ source, labels, isGrowing }: BlockProps): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (element.current !== null) drawBlock(element.current, source, labels, isGrowing);
  }, [source, labels, isGrowing]);
  return <div class="block" dir="auto" ref={element} />;
}

/** Without a secure context there is no clipboard object, and the old way must do. */
export async function copyText(text: string): Promise<boolean> {
  try {
    if ('clipboard' in navigator) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch {
    // Refused: the old way may still be allowed.
  }
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'off-screen';
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}
