/** Buttons: with a drawing and a name for those who do not see it. */
import type { JSX, Ref } from 'preact';
import { Icon, type IconName } from './icons.js';

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly isPressed?: boolean;
  readonly isDisabled?: boolean;
  readonly class?: string;
  readonly hasPopup?: 'menu' | 'dialog';
  readonly isExpanded?: boolean;
  readonly buttonRef?: Ref<HTMLButtonElement>;
}

export function IconButton(props: IconButtonProps): JSX.Element {
  const { icon, label, onClick, isPressed, isDisabled, hasPopup, isExpanded, buttonRef } = props;
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ''}`}
      aria-label={label}
      title={label}
      aria-pressed={isPressed}
      aria-haspopup={hasPopup}
      aria-expanded={isExpanded}
      disabled={isDisabled ?? false}
      onClick={onClick}
      ref={buttonRef ?? null}
    >
      <Icon name={icon} />
    </button>
  );
}
