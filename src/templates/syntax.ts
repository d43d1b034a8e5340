/** The parts of a Jinja template. `line` counts from 1. */

export type Expression = { readonly line: number } & (
  | {
      readonly kind: 'constant';
      readonly value: string | number | boolean | null;
      readonly isFloat?: boolean;
    }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple' | 'concat'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly entries: readonly (readonly [Expression, Expression])[] }
  | {
      readonly kind: 'condition';
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | undefined;
    }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not' | 'negative' | 'positive'; readonly operand: Expression }
  | {
      readonly kind: 'compare';
      readonly first: Expression;
      readonly rest: readonly { readonly operator: CompareOperator; readonly operand: Expression }[];
    }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'attribute'; readonly target: Expression; readonly name: string }
  | { readonly kind: 'subscript'; readonly target: Expression; readonly index: Expression }
  | {
      readonly kind: 'slice';
      readonly start: Expression | undefined;
      readonly stop: Expression | undefined;
      readonly step: Expression | undefined;
    }
  | { readonly kind: 'call'; readonly target: Expression; readonly call: CallArguments }
  /** Without a target within a filter block: its text. */
  | {
      readonly kind: 'filter';
      readonly target: Expression | undefined;
      readonly name: string;
      readonly call: CallArguments;
    }
  | {
      readonly kind: 'test';
      readonly target: Expression;
      readonly name: string;
      readonly isNegated: boolean;
      readonly call: CallArguments;
    }
);

export type CompareOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';
export type BinaryOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** After `*` and `**`. */
  readonly list: Expression | undefined;
  readonly map: Expression | undefined;
}

export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'attribute'; readonly name: string; readonly attribute: string; readonly line: number }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };

export interface Macro {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly initial: Expression | undefined }[];
  readonly body: readonly Statement[];
  readonly line: number;
  readonly usesVarargs: boolean;
  readonly usesKwargs: boolean;
}

export type Statement = { readonly line: number } & (
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly branches: readonly { readonly test: Expression; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly kind: 'for';
      readonly target: Target;
      readonly items: Expression;
      readonly filter: Expression | undefined;
      readonly isRecursive: boolean;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set-block';
      readonly target: Target;
      readonly filter: Expression | undefined;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'macro'; readonly macro: Macro }
  | { readonly kind: 'call'; readonly value: Expression; readonly caller: Macro }
  | { readonly kind: 'filter-block'; readonly filter: Expression; readonly body: readonly Statement[] }
  | {
      readonly kind: 'with';
      readonly bindings: readonly (readonly [Target, Expression])[];
      readonly body: readonly Statement[];
    }
  /** What the assistant said, marked for training; renders as it is. */
  | { readonly kind: 'generation'; readonly body: readonly Statement[] }
  | { readonly kind: 'break' | 'continue' }
);
