/** Which texts a structured answer may be. Plain data: it crosses to the process that compiles it. */
export type GrammarSpec =
  | { readonly kind: 'json' }
  | { readonly kind: 'json-schema'; readonly schema: unknown }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };
