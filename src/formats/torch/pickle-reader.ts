/** Reads one pickle without running anything. */
import type { PickleCursor } from './pickle-cursor.js';
import { type PickleDialect, PickleMachine } from './pickle-machine.js';
import { opcodeAction, STOP } from './pickle-opcodes.js';
import type { PickleValue } from './pickle-value.js';

/**
 * Reads one pickle (protocols 0 to 5) up to and with its STOP; the cursor stands behind it then. Only inert values
 * come out: classes and functions are names that `dialect` knows, everything else that a pickle could ask for is
 * refused by name, and nothing is ever run. (https://docs.python.org/3/library/pickletools.html)
 * @throws InputError naming source and offset for damaged pickles, unknown opcodes, foreign globals, more than
 *   2^24 values.
 */
export function readPickle(cursor: PickleCursor, dialect: PickleDialect): PickleValue {
  const machine: PickleMachine = new PickleMachine(cursor, dialect);
  for (;;) {
    machine.opcodeOffset = cursor.position;
    const opcode = cursor.byte();
    if (opcode === STOP) return machine.pop();
    const action = opcodeAction(opcode);
    if (action === undefined)
      machine.fail(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not known here`);
    action(machine);
  }
}
