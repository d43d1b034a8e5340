/** The forms by name; a new one is a file beside this and a line here. */
import { readAlpaca } from './alpaca.js';
import { readMessages, readShareGpt, readXverse } from './conversations.js';
import type { ReadForm } from './form.js';
import { readTelechat } from './telechat.js';
import { readText } from './text.js';

export const SAMPLE_FORMS = ['alpaca', 'sharegpt', 'telechat', 'xverse', 'messages', 'text'] as const;

export type SampleForm = (typeof SAMPLE_FORMS)[number];

export function formReader(form: SampleForm): ReadForm {
  switch (form) {
    case 'alpaca':
      return readAlpaca;
    case 'sharegpt':
      return readShareGpt;
    case 'telechat':
      return readTelechat;
    case 'xverse':
      return readXverse;
    case 'messages':
      return readMessages;
    case 'text':
      return readText;
  }
}
