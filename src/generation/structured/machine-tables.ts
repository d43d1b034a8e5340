/** State machines as plain data, and back. */
import type { ByteMachine } from './byte-grammar.js';
import { type DigitTables, digitMachine } from './number-multiples.js';
import { type CountedTables, countedMachine } from './regex/byte-text-machine.js';

export type MachineTables = CountedTables | DigitTables;

export function machineOf(tables: MachineTables): ByteMachine {
  switch (tables.kind) {
    case 'counted':
      return countedMachine(tables);
    case 'digits':
      return digitMachine(tables);
  }
  tables satisfies never;
  return tables;
}
