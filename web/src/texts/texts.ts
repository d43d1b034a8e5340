/** The languages of the page. A text that one of them lacks does not compile. */
import type { Language } from '../chat/preferences.js';
import { en } from './en.js';
import { zh } from './zh.js';

export type Texts = typeof en;

export const texts: Readonly<Record<Language, Texts>> = { en, zh };

export const languageTag: Readonly<Record<Language, string>> = { en: 'en', zh: 'zh-CN' };
