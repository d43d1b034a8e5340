/** A button that opens a list of actions, by mouse and by keyboard. */
import type { JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { IconButton } from './button.js';

export interface MenuItem {
  readonly label: string;
  readonly run: () => void;
  readonly isDangerous?: boolean;
}

export function Menu({
  label,
  items,
}: {
  readonly label: string;
  readonly items: readonly MenuItem[];
}): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    if (!isOpen || button.current === null || list.current === null) return;
    // Above everything: the scrolling list around it would cut it off.
    list.current.showPopover();
    const place = button.current.getBoundingClientRect();
    const { offsetHeight, offsetWidth, style } = list.current;
    const below = place.bottom + 4;
    style.top = `${below + offsetHeight > innerHeight ? place.top - offsetHeight - 4 : below}px`;
    style.left = `${Math.max(8, Math.min(place.right - offsetWidth, innerWidth - offsetWidth - 8))}px`;
    list.current.querySelector('button')?.focus();
  }, [isOpen]);

  useEffect(() => {
    if (!isOpen) return undefined;
    const close = ({ target }: Event): void => {
      if (target instanceof Node && (list.current?.contains(target) || button.current?.contains(target)))
        return;
      setOpen(false);
    };
    for (const type of ['pointerdown', 'scroll', 'resize']) window.addEventListener(type, close, true);
    return () => {
      for (const type of ['pointerdown', 'scroll', 'resize']) window.removeEventListener(type, close, true);
    };
  }, [isOpen]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])];
    const { activeElement } = document;
    const at = activeElement instanceof HTMLButtonElement ? buttons.indexOf(activeElement) : -1;
    if (event.key === 'Escape' || event.key === 'Tab') {
      setOpen(false);
      button.current?.focus();
      if (event.key === 'Escape') event.stopPropagation();
    } else if (event.key === 'ArrowDown') buttons[(at + 1) % buttons.length]?.focus();
    else if (event.key === 'ArrowUp') buttons.at(at - 1)?.focus();
    else return;
    if (event.key !== 'Tab') event.preventDefault();
  };

  return (
    <>
      <IconButton
        icon="more"
        label={label}
        hasPopup="menu"
        isExpanded={isOpen}
        buttonRef={button}
        onClick={() => setOpen(!isOpen)}
      />
      {isOpen && (
        <div
          class="menu"
          popover="manual"
          role="menu"
          tabIndex={-1}
          aria-label={label}
          ref={list}
          onKeyDown={onKeyDown}
        >
          {items.map(({ label: name, run, isDangerous }) => (
            <button
              type="button"
              role="menuitem"
              key={name}
              class={isDangerous === true ? 'dangerous' : ''}
              onClick={() => {
                setOpen(false);
                button.current?.focus();
                run();
              }}
            >
              {name}
            </button>
          ))}
        </div>
      )}
    </>
  );
}
