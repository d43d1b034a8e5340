/** The language of `--help`, by the locale of the environment. */
export type HelpLanguage = 'english' | 'chinese';

/** The first of LC_ALL, LC_MESSAGES and LANG that is set decides, as for other programs; zh_CN.UTF-8 is Chinese. */
export function helpLanguage(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HelpLanguage {
  const { LC_ALL, LC_MESSAGES, LANG } = environment;
  return /^zh(?![a-z])/i.test(LC_ALL || LC_MESSAGES || LANG || '') ? 'chinese' : 'english';
}
