/** Line drawings of 20 × 20, coloured as the text beside them. */
import type { JSX } from 'preact';

const drawings = {
  plus: 'M10 4v12M4 10h12',
  search: 'M9 15a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM13.5 13.5 17 17',
  sidebar:
    'M3 5.5A1.5 1.5 0 0 1 4.5 4h11A1.5 1.5 0 0 1 17 5.5v9a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14.5zM8 4v12',
  more: 'M5 10h.01M10 10h.01M15 10h.01',
  sliders: 'M3 6h7M14 6h3M3 14h3M10 14h7M12 4v4M8 12v4',
  gear: 'M10 12.6a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM10 2.5v2.2M10 15.3v2.2M2.5 10h2.2M15.3 10h2.2M4.7 4.7l1.56 1.56M13.74 13.74l1.56 1.56M15.3 4.7l-1.56 1.56M6.26 13.74 4.7 15.3',
  mask: 'M10 10a3.3 3.3 0 1 0 0-6.6A3.3 3.3 0 0 0 10 10zM3.8 17c.6-3 3-4.6 6.2-4.6s5.6 1.6 6.2 4.6',
  send: 'M10 16V4.5M5 9.3l5-5 5 5',
  copy: 'M7.5 7.5V5A1.5 1.5 0 0 1 9 3.5h6A1.5 1.5 0 0 1 16.5 5v6a1.5 1.5 0 0 1-1.5 1.5h-2.5M5 7.5h6A1.5 1.5 0 0 1 12.5 9v6a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15V9A1.5 1.5 0 0 1 5 7.5z',
  edit: 'M4 16l.7-3.2L13 4.5a1.6 1.6 0 0 1 2.3 0l.2.2a1.6 1.6 0 0 1 0 2.3L7.2 15.3z',
  again: 'M16 10a6 6 0 1 1-1.9-4.4M16.5 3.5v3.3h-3.3',
  forward: 'M4 5l6 5-6 5zM11 5l6 5-6 5z',
  left: 'M12 5l-5 5 5 5',
  right: 'M8 5l5 5-5 5',
  down: 'M10 4v12M5 11.2l5 5 5-5',
  columns: 'M3.5 4.5h5v11h-5zM11.5 4.5h5v11h-5z',
  clip: 'M14.8 9.4l-5.4 5.4a3.2 3.2 0 0 1-4.5-4.5l6-6a2.1 2.1 0 0 1 3 3l-5.9 5.9a1 1 0 0 1-1.5-1.4l5.2-5.2',
  file: 'M5.5 3h6l3.5 3.5V17h-9.5zM11.5 3v3.5H15',
  pin: 'M7.5 3h5l-.6 5 2.6 3h-9l2.6-3zM10 11v6',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6l.7-10.5M8.5 9v4.5M11.5 9v4.5',
  good: 'M6.5 9v7.5h-3V9zM6.5 9l3-5.5c1.3 0 1.9.9 1.7 2L10.8 8h4a1.4 1.4 0 0 1 1.4 1.7l-1.1 5.4a1.8 1.8 0 0 1-1.8 1.4H6.5',
  bad: 'M6.5 11V3.5h-3V11zM6.5 11l3 5.5c1.3 0 1.9-.9 1.7-2l-.4-2.5h4a1.4 1.4 0 0 0 1.4-1.7l-1.1-5.4a1.8 1.8 0 0 0-1.8-1.4H6.5',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  keyboard:
    'M2.5 6A1.5 1.5 0 0 1 4 4.5h12A1.5 1.5 0 0 1 17.5 6v8a1.5 1.5 0 0 1-1.5 1.5H4A1.5 1.5 0 0 1 2.5 14zM5.5 8h.01M8.5 8h.01M11.5 8h.01M14.5 8h.01M6.5 12h7',
} as const;

export type IconName = keyof typeof drawings | 'stop' | 'star';

export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  if (name === 'stop')
    return (
      <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
        <rect x="5.5" y="5.5" width="9" height="9" rx="2" fill="currentColor" />
      </svg>
    );
  if (name === 'star')
    return (
      <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
        <path d="M10 1.8l1.9 6.3 6.3 1.9-6.3 1.9L10 18.2l-1.9-6.3L1.8 10l6.3-1.9z" fill="currentColor" />
      </svg>
    );
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path
        d={drawings[name]}
        fill="none"
        stroke="currentColor"
        stroke-width={name === 'more' ? 2.4 : 1.5}
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
