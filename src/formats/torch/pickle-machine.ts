/** The stack machine of pickle, restricted to allowed globals and bounded memory. */
import { InputError } from '../../errors/index.js';
import type { PickleCursor } from './pickle-cursor.js';
import { isKind, type PickleValue, pickleTypeName, sequenceItems } from './pickle-value.js';

/** What a class or function named by a pickle may be used for. */
export type GlobalRole =
  /** As a value only; calling it is refused. */
  | { readonly role: 'inert' }
  /** Called with the arguments of REDUCE or NEWOBJ: a function of ours, which makes an inert value. */
  | {
      readonly role: 'call';
      readonly call: (args: readonly PickleValue[], context: PickleContext) => PickleValue;
    }
  /** Its instances are kept closed, as PickleObject. */
  | { readonly role: 'object' }
  /** Refused with a reason of its own. */
  | { readonly role: 'refused'; readonly reason: string };

/** What a pickle may name; everything else is refused. */
export interface PickleDialect {
  /** `name` is "module.name". Undefined refuses. */
  global(name: string): GlobalRole | undefined;
  /** The value that a persistent id stands for. */
  persistent(id: PickleValue, context: PickleContext): PickleValue;
}

export interface PickleContext {
  /** @throws InputError naming file and offset */
  fail(problem: string): never;
  /** To be called before `units` values are copied. @throws InputError when a pickle grows beyond bounds */
  charge(units: number): void;
  global(name: string): GlobalRole | undefined;
}

/** Values in one pickle; about 1 GB of memory. A model of 100 000 tensors needs some 3 million. */
const MAX_UNITS = 2 ** 24;
/** What values weigh by the memory that they take: a number 1, a tuple or another object 4, an empty Map 8. */
const OBJECT_UNITS = 4;
const MAP_UNITS = 8;

/** The stack machine of the pickle format: stack, marks, memo. Depth is only bounded by `charge`: nothing recurses. */
export class PickleMachine implements PickleContext {
  readonly memo = new Map<number, PickleValue>();
  #stack: PickleValue[] = [];
  readonly #marks: PickleValue[][] = [];
  #units = 0;
  /** Offset of the opcode that runs. */
  opcodeOffset = 0;

  constructor(
    readonly cursor: PickleCursor,
    readonly dialect: PickleDialect,
  ) {}

  fail(problem: string): never {
    this.cursor.fail(problem, this.opcodeOffset);
  }

  charge(units: number): void {
    this.#units += units;
    if (this.#units > MAX_UNITS) this.fail(`it holds more than ${MAX_UNITS} values`);
  }

  push(value: PickleValue): void {
    this.charge(unitsOf(value));
    this.#stack.push(value);
  }

  /** Pushes a value that exists already. */
  pushAgain(value: PickleValue): void {
    this.charge(1);
    this.#stack.push(value);
  }

  pop(): PickleValue {
    const value = this.#stack.pop();
    return value === undefined ? this.fail('the stack is empty') : value;
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    return value === undefined ? this.fail('the stack is empty') : value;
  }

  mark(): void {
    this.charge(OBJECT_UNITS);
    this.#marks.push(this.#stack);
    this.#stack = [];
  }

  /** The values pushed since the last mark, which is removed. */
  popMark(): PickleValue[] {
    const items = this.#stack;
    const below = this.#marks.pop();
    if (below === undefined) this.fail('no mark is on the stack');
    this.#stack = below;
    return items;
  }

  /** POP takes a mark where nothing lies above it. */
  popValueOrMark(): void {
    if (this.#stack.length > 0) this.#stack.pop();
    else this.popMark();
  }

  remembered(index: number): PickleValue {
    const value = this.memo.get(index);
    return value === undefined ? this.fail(`memo ${index} was never set`) : value;
  }

  remember(index: number): void {
    this.charge(1);
    this.memo.set(index, this.top());
  }

  global(name: string): GlobalRole | undefined {
    return this.dialect.global(name);
  }

  pushGlobal(module: string, name: string): void {
    const path = modernName(module, name);
    const role = this.dialect.global(path);
    if (role === undefined || role.role === 'refused') this.#refuse(path, role?.reason);
    this.push({ kind: 'global', name: path });
  }

  #refuse(name: string, reason = 'which weights do not need and which could run a program'): never {
    throw new InputError(
      `${this.cursor.source}: the pickle asks for ${shownName(name)} at byte ${this.opcodeOffset}, ${reason}; ` +
        'nothing was run. Save the weights alone, as a state dict of plain tensors.',
    );
  }

  /** callable(*args), by our own functions. */
  call(callee: PickleValue, argument: PickleValue): PickleValue {
    const name = this.#globalName(callee);
    const args = sequenceItems(argument);
    if (args === undefined)
      this.fail(`the arguments of ${name} are ${pickleTypeName(argument)}, not a tuple`);
    const role = this.dialect.global(name);
    if (role?.role === 'call') return role.call(args, this);
    if (role?.role === 'object') return { kind: 'object', className: name, args };
    return this.fail(`${name} is called, but is only known as a value`);
  }

  #globalName(value: PickleValue): string {
    const isGlobal = isKind(value) && value.kind === 'global';
    return isGlobal ? value.name : this.fail(`${pickleTypeName(value)} is called`);
  }

  /** Takes the state that BUILD sets on the value below it. */
  build(target: PickleValue, state: PickleValue): void {
    if (isKind(target)) {
      if (target.kind === 'object') {
        target.state = state;
        return;
      }
      if (target.kind === 'dict') {
        target.attributes = state;
        return;
      }
    }
    this.fail(`a state is set on ${pickleTypeName(target)}`);
  }
}

function unitsOf(value: PickleValue): number {
  if (typeof value !== 'object' || value === null) return 1;
  return isKind(value) && (value.kind === 'dict' || value.kind === 'set') ? MAP_UNITS : OBJECT_UNITS;
}

/** Modules of Python 2, whose names protocols 0 to 2 write, under their names of today. */
const RENAMED_MODULES = new Map([
  ['__builtin__', 'builtins'],
  ['copy_reg', 'copyreg'],
]);

function modernName(module: string, name: string): string {
  return `${RENAMED_MODULES.get(module) ?? module}.${name}`;
}

function shownName(name: string): string {
  const printable = /^[\w.<>]+$/.test(name) ? name : JSON.stringify(name);
  return printable.length > 120 ? `${printable.slice(0, 117)}...` : printable;
}
