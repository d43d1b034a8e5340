/** Which texts a structured answer may be. Plain data: it crosses to the process that compiles it. */
export type GrammarSpec =
  | { readonly kind: 'json' }
  | { readonly kind: 'json-schema'; readonly schema: unknown }
  /** A schema as JSON, which keeps the order of its keys and costs nobody a look on its way. */
  | { readonly kind: 'json-schema-text'; readonly json: string }
  | { readonly kind: 'regex'; readonly pattern: string }
  | { readonly kind: 'choice'; readonly choices: readonly string[] };
