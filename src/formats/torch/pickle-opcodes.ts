/**
 * What each pickle opcode does to the machine, for protocols 0 to 5. Left out, and so refused: EXT1..4 (a registry of
 * classes), INST and OBJ (classes of Python 2), STRING (a quoted literal of Python 2), out-of-band buffers.
 */
import type { PickleMachine } from './pickle-machine.js';
import { isDict, isKind, type PickleValue, pickleTypeName } from './pickle-value.js';

type Action = (machine: PickleMachine) => void;

export const STOP = '.'.charCodeAt(0);
const HIGHEST_PROTOCOL = 5;
/** Bytes of an integer; torch's largest, the magic number of legacy files, has 10. */
const MAX_INTEGER_BYTES = 1024;

export function opcodeAction(opcode: number): Action | undefined {
  return ACTIONS.get(opcode);
}

const protocol: [number | string, Action][] = [
  [
    0x80, // PROTO
    (machine) => {
      const version = machine.cursor.byte();
      if (version > HIGHEST_PROTOCOL)
        machine.fail(`protocol ${version}; readable are 0 to ${HIGHEST_PROTOCOL}`);
    },
  ],
  [
    0x95, // FRAME
    ({ cursor }) => {
      const length = cursor.length64();
      if (length > cursor.end - cursor.position) cursor.fail(`a frame of ${length} bytes`);
    },
  ],
];

const constants: [number | string, Action][] = [
  ['N', (machine) => machine.push(null)],
  [0x88, (machine) => machine.push(true)],
  [0x89, (machine) => machine.push(false)],
];

const numbers: [number | string, Action][] = [
  ['K', (machine) => machine.push(machine.cursor.byte())],
  ['M', (machine) => machine.push(machine.cursor.view(2).readUInt16LE())],
  ['J', (machine) => machine.push(machine.cursor.view(4).readInt32LE())],
  ['G', (machine) => machine.push(machine.cursor.view(8).readDoubleBE())],
  [0x8a, (machine) => machine.push(readInteger(machine, machine.cursor.byte()))], // LONG1
  [0x8b, (machine) => machine.push(readInteger(machine, machine.cursor.view(4).readInt32LE()))], // LONG4
  ['I', (machine) => machine.push(parseInteger(machine, machine.cursor.line()))],
  ['L', (machine) => machine.push(parseInteger(machine, machine.cursor.line().replace(/L$/, '')))],
  ['F', (machine) => machine.push(parseFloatText(machine, machine.cursor.line()))],
];

const texts: [number | string, Action][] = [
  ['X', (machine) => pushText(machine, machine.cursor.view(4).readUInt32LE())],
  [0x8c, (machine) => pushText(machine, machine.cursor.byte())],
  [0x8d, (machine) => pushText(machine, machine.cursor.length64())],
  ['V', (machine) => machine.push(machine.cursor.line())],
  ['U', (machine) => machine.push(machine.cursor.oldText(machine.cursor.byte()))],
  ['T', (machine) => machine.push(machine.cursor.oldText(machine.cursor.view(4).readUInt32LE()))],
  ['C', (machine) => machine.push(machine.cursor.bytes(machine.cursor.byte()))],
  ['B', (machine) => machine.push(machine.cursor.bytes(machine.cursor.view(4).readUInt32LE()))],
  [0x8e, (machine) => machine.push(machine.cursor.bytes(machine.cursor.length64()))],
  [0x96, (machine) => machine.push(machine.cursor.bytes(machine.cursor.length64()))], // BYTEARRAY8
];

const containers: [number | string, Action][] = [
  ['(', (machine) => machine.mark()],
  [')', (machine) => pushTuple(machine, [])],
  [0x85, (machine) => pushTuple(machine, popItems(machine, 1))],
  [0x86, (machine) => pushTuple(machine, popItems(machine, 2))],
  [0x87, (machine) => pushTuple(machine, popItems(machine, 3))],
  ['t', (machine) => pushTuple(machine, machine.popMark())],
  [']', (machine) => machine.push([])],
  ['l', (machine) => machine.push(machine.popMark())],
  ['a', (machine) => append(machine, popItems(machine, 1))],
  ['e', (machine) => append(machine, machine.popMark())],
  ['}', (machine) => machine.push({ kind: 'dict', entries: new Map() })],
  [
    'd',
    (machine) => {
      const items = machine.popMark();
      machine.push({ kind: 'dict', entries: new Map() });
      setItems(machine, items);
    },
  ],
  ['s', (machine) => setItems(machine, popItems(machine, 2))],
  ['u', (machine) => setItems(machine, machine.popMark())],
  [0x8f, (machine) => machine.push({ kind: 'set', items: new Set() })],
  [0x90, (machine) => addItems(machine, machine.popMark())],
  [0x91, (machine) => machine.push({ kind: 'set', items: new Set(machine.popMark()) })],
];

const stackAndMemo: [number | string, Action][] = [
  ['0', (machine) => machine.popValueOrMark()],
  ['1', (machine) => void machine.popMark()],
  ['2', (machine) => machine.pushAgain(machine.top())],
  ['p', (machine) => machine.remember(memoIndex(machine))],
  ['q', (machine) => machine.remember(machine.cursor.byte())],
  ['r', (machine) => machine.remember(machine.cursor.view(4).readUInt32LE())],
  [0x94, (machine) => machine.remember(machine.memo.size)],
  ['g', (machine) => machine.pushAgain(machine.remembered(memoIndex(machine)))],
  ['h', (machine) => machine.pushAgain(machine.remembered(machine.cursor.byte()))],
  ['j', (machine) => machine.pushAgain(machine.remembered(machine.cursor.view(4).readUInt32LE()))],
];

const objects: [number | string, Action][] = [
  ['c', (machine) => machine.pushGlobal(machine.cursor.line(), machine.cursor.line())],
  [
    0x93, // STACK_GLOBAL
    (machine) => {
      const [module, name] = popItems(machine, 2);
      if (typeof module === 'string' && typeof name === 'string') machine.pushGlobal(module, name);
      else machine.fail(`a global is named by ${pickleTypeName(module)} and ${pickleTypeName(name)}`);
    },
  ],
  ['R', callTop],
  [0x81, callTop], // NEWOBJ
  [
    0x92, // NEWOBJ_EX: class, arguments, keyword arguments
    (machine) => {
      const keywords = machine.pop();
      if (!isDict(keywords) || keywords.entries.size > 0)
        machine.fail('an object is made with keyword arguments');
      callTop(machine);
    },
  ],
  [
    'b', // BUILD
    (machine) => {
      const state = machine.pop();
      machine.build(machine.top(), state);
    },
  ],
  ['P', (machine) => machine.pushAgain(machine.dialect.persistent(machine.cursor.line(), machine))],
  ['Q', (machine) => machine.pushAgain(machine.dialect.persistent(machine.pop(), machine))],
];

const ACTIONS: ReadonlyMap<number, Action> = new Map(
  [protocol, constants, numbers, texts, containers, stackAndMemo, objects]
    .flat()
    .map(([opcode, action]) => [typeof opcode === 'string' ? opcode.charCodeAt(0) : opcode, action]),
);

function callTop(machine: PickleMachine): void {
  const args = machine.pop();
  machine.push(machine.call(machine.pop(), args));
}

function pushText(machine: PickleMachine, length: number): void {
  machine.push(machine.cursor.text(length));
}

function pushTuple(machine: PickleMachine, items: readonly PickleValue[]): void {
  machine.push({ kind: 'tuple', items });
}

/** The top `count` values, the lowest first. */
function popItems(machine: PickleMachine, count: number): PickleValue[] {
  return Array.from({ length: count }, () => machine.pop()).reverse();
}

function append(machine: PickleMachine, items: readonly PickleValue[]): void {
  const list = machine.top();
  if (!Array.isArray(list)) machine.fail(`values are appended to ${pickleTypeName(list)}`);
  for (const item of items) list.push(item);
}

function setItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const dict = machine.top();
  if (!isDict(dict)) machine.fail(`entries are set in ${pickleTypeName(dict)}`);
  if (items.length % 2 === 1) machine.fail('a dict gets a key without a value');
  for (let index = 0; index < items.length; index += 2)
    dict.entries.set(items[index] ?? null, items[index + 1] ?? null);
}

function addItems(machine: PickleMachine, items: readonly PickleValue[]): void {
  const set = machine.top();
  if (!isKind(set) || set.kind !== 'set') machine.fail(`values are added to ${pickleTypeName(set)}`);
  for (const item of items) set.items.add(item);
}

/** A little-endian two's complement integer. */
function readInteger(machine: PickleMachine, length: number): number | bigint {
  if (length < 0 || length > MAX_INTEGER_BYTES) machine.fail(`an integer of ${length} bytes`);
  const hex = Buffer.from(machine.cursor.view(length)).reverse().toString('hex');
  return exact(BigInt.asIntN(8 * length, BigInt(`0x0${hex}`)));
}

/** INT also writes booleans, as 00 and 01. */
function parseInteger(machine: PickleMachine, line: string): number | bigint | boolean {
  if (line === '00' || line === '01') return line === '01';
  if (!/^-?\d{1,1000}$/.test(line)) machine.fail(`the integer ${JSON.stringify(line.slice(0, 40))}`);
  return exact(BigInt(line));
}

function parseFloatText(machine: PickleMachine, line: string): number {
  const special = new Map([
    ['inf', Infinity],
    ['-inf', -Infinity],
    ['nan', Number.NaN],
  ]).get(line);
  if (special !== undefined) return special;
  if (!/^-?[\d.]+(e[-+]?\d+)?$/i.test(line) || Number.isNaN(Number(line)))
    machine.fail(`the number ${JSON.stringify(line.slice(0, 40))}`);
  return Number(line);
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function memoIndex(machine: PickleMachine): number {
  const line = machine.cursor.line();
  return /^\d{1,10}$/.test(line) ? Number(line) : machine.fail(`the memo index ${JSON.stringify(line)}`);
}
