// Finds small faults that could be planted into a TypeScript file, and compiles all of them into it at once: each place asks
// at run time whether its own fault is the active one.
import { parseAst } from 'vite';

/** @typedef {{ start: number, end: number, line: number, original: string, replacement: string }} Mutant */
/** @typedef {{ type: string, start: number, end: number } & Record<string, any>} Node */

/** What stands in the place of an operator. */
const OPERATORS = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
  '+': '-',
  '-': '+',
  '*': '/',
  '/': '*',
  '%': '*',
  '&&': '||',
  '||': '&&',
};
/** What stands in the place of a method or function of this name. */
const CALLS = new Map(
  [
    ['every', 'some'],
    ['min', 'max'],
    ['floor', 'ceil'],
  ].flatMap(([a, b]) => [
    [a, b],
    [b, a],
  ]),
);
/** Calls that only tell something; and messages, whose wording is no behaviour. */
const TELLING =
  /^(?:process\.std(?:out|err)|console|progress|log|clock|tell|warn)\b|\b(?:progress|clock)\??\./;

/**
 * The faults of a file, in the order of their places.
 * @param {string} source @returns {Mutant[]}
 */
export function findMutants(source) {
  /** @type {Mutant[]} */
  const mutants = [];
  visit(parse(source), false, (node, isTest) => {
    for (const [original, replacement] of faultsOf(node, source, isTest))
      mutants.push({
        start: node.start,
        end: node.end,
        line: lineOf(source, node.start),
        original,
        replacement,
      });
  });
  return mutants;
}

/**
 * The source with all faults in it, none active. @param {string} source @param {number} firstId of this file's faults
 * @returns {string}
 */
export function instrument(source, firstId) {
  let id = firstId;
  /** @param {Node} node @param {boolean} isTest @returns {string} */
  const print = (node, isTest) => {
    // Children are numbered after their parents, as `visit` goes.
    const faults = faultsOf(node, source, isTest).map((fault) => /** @type {const} */ ([id++, fault[1]]));
    let text = '';
    let place = node.start;
    for (const child of childrenOf(node)) {
      text += source.slice(place, child.start) + print(child, child === node.test);
      place = child.end;
    }
    text += source.slice(place, node.end);
    for (const [fault, replacement] of faults)
      text = isStatement(node)
        ? `{ if (!__fault(${fault})) { ${text} } }` // In braces of its own, or an `else` that follows would be this one's.
        : `(__fault(${fault}) ? (${replacement}) : (${text}))`;
    return text;
  };
  const program = parse(source);
  return `${source.slice(0, program.start)}${print(program, false)}${source.slice(program.end)}\n${ASK}\n`;
}

/** Added to each file; tools/mutation/setup.mjs gives the answer. */
const ASK =
  'function __fault(id: number): boolean { return (globalThis as never as { isFault?: (id: number) => boolean }).isFault?.(id) === true; }';

/** @param {string} source @returns {Node} */
function parse(source) {
  return /** @type {Node} */ (/** @type {unknown} */ (parseAst(source, { lang: 'ts' })));
}

/** @param {string} source @param {number} place */
const lineOf = (source, place) => source.slice(0, place).split('\n').length;

/** @param {Node} node */
const isStatement = (node) => node.type === 'ExpressionStatement' || node.type === 'ThrowStatement';

/**
 * The faults of this very node, not of those inside it: what is there, and what would be there instead.
 * @param {Node} node @param {string} source @param {boolean} isTest is it the condition of an if, a choice or a loop?
 * @returns {[original: string, replacement: string][]}
 */
function faultsOf(node, source, isTest) {
  const text = (/** @type {Node} */ part) => source.slice(part.start, part.end);
  if (isTest && /^(?:Identifier|MemberExpression|CallExpression)$/.test(node.type))
    return [[text(node), `!(${text(node)})`]];
  switch (node.type) {
    case 'BinaryExpression':
    case 'LogicalExpression': {
      const other = OPERATORS[node.operator];
      // Texts that are joined are messages.
      if (other === undefined || (node.operator === '+' && isText(node))) return [];
      return [[text(node), `(${text(node.left)}) ${other} (${text(node.right)})`]];
    }
    case 'UnaryExpression':
      return node.operator === '!' ? [[text(node), text(node.argument)]] : [];
    case 'Literal':
      // Large numbers are sizes chosen for speed.
      if (typeof node.value === 'number' && node.value <= 8) return [[text(node), `${node.value + 1}`]];
      if (typeof node.value === 'boolean') return [[text(node), `${!node.value}`]];
      return [];
    case 'CallExpression': {
      const { callee } = node;
      const name = callee.type === 'MemberExpression' && !callee.computed ? callee.property.name : undefined;
      const other = CALLS.get(name);
      if (other === undefined) return [];
      const { start, end } = callee.property;
      return [[text(node), source.slice(node.start, start) + other + source.slice(end, node.end)]];
    }
    case 'ExpressionStatement': {
      const { expression } = node;
      if (expression.type !== 'CallExpression' && expression.type !== 'AssignmentExpression') return [];
      if (TELLING.test(text(node)) || expression.callee?.type === 'Super') return [];
      return [[text(node), '']];
    }
    case 'ThrowStatement':
      return [[text(node), '']];
    default:
      return [];
  }
}

/** @param {Node} node @returns {boolean} does a text go into this sum? */
function isText(node) {
  if (node.type === 'TemplateLiteral') return true;
  if (node.type === 'Literal') return typeof node.value === 'string';
  return node.type === 'BinaryExpression' && (isText(node.left) || isText(node.right));
}

/** @param {Node} node @param {boolean} isTest @param {(node: Node, isTest: boolean) => void} tell */
function visit(node, isTest, tell) {
  tell(node, isTest);
  for (const child of childrenOf(node)) visit(child, child === node.test, tell);
}

/**
 * The nodes below, in the order of the text, without types, keys, imports and what makes a message.
 * @param {Node} node @returns {Node[]}
 */
function childrenOf(node) {
  if (/^(?:TS|Import|Export(?:All|Specifier))/.test(node.type) && !HOLDERS.has(node.type)) return [];
  if (node.type === 'ThrowStatement' || node.type === 'NewExpression') return [];
  /** @type {Node[]} */
  const found = [];
  for (const [key, value] of Object.entries(node)) {
    if (SKIPPED.has(key)) continue;
    if (key === 'key' && !node.computed) continue;
    if (key === 'left' && /^(?:Assignment|For(?:In|Of))/.test(node.type)) continue;
    if (key === 'argument' && node.type === 'UpdateExpression') continue;
    if (key === 'argument' && node.type === 'UnaryExpression' && node.operator === 'delete') continue;
    if ((key === 'id' || key === 'params' || key === 'param') && node.type !== 'CallExpression') continue;
    // A shorthand property is one text with two meanings.
    if (node.type === 'Property' && node.shorthand) continue;
    if (node.type === 'CallExpression' && key === 'callee' && value.type === 'Super') continue;
    if (node.type === 'TaggedTemplateExpression' && key === 'quasi') continue;
    for (const item of Array.isArray(value) ? value : [value])
      if (typeof item === 'object' && item !== null && typeof item.type === 'string') found.push(item);
  }
  return found.sort((a, b) => a.start - b.start);
}

/** Nodes named TS… that hold an expression. */
const HOLDERS = new Set(['TSAsExpression', 'TSNonNullExpression', 'TSSatisfiesExpression']);
const SKIPPED = new Set([
  'typeAnnotation',
  'typeArguments',
  'typeParameters',
  'returnType',
  'superClass',
  'implements',
]);
