import { describe, expect, it } from 'vitest';
import { InputError } from '../errors/index.js';
import { applyOverrides, didYouMean } from './index.js';

describe('applyOverrides', () => {
  it.each<[string, unknown]>([
    ['1e-5', 1e-5],
    ['-3', -3],
    ['-.inf', Number.NEGATIVE_INFINITY],
    ['true', true],
    ['null', null],
    ['', null],
    ['"3"', '3'],
    ['[1, two]', [1, 'two']],
    ['{"a": {"b": 1}}', { a: { b: 1 } }],
    ['a: b # c', 'a: b # c'],
    ['--', '--'],
    ['...', '...'],
    ['*x', '*x'],
    ['../data/模型=1', '../data/模型=1'],
  ])('reads the value %j', (text, expected) => {
    expect(applyOverrides({}, [`a=${text}`])).toEqual({ a: expected });
  });

  it('sets deep keys and list items without changing the original', () => {
    const original = { a: { b: 1, c: 2 }, list: [{ x: 1 }] };
    const copy = structuredClone(original);
    expect(applyOverrides(original, ['a.b=5', 'list.0.x=2', 'list.1.x=3', 'new.deep=y'])).toEqual({
      a: { b: 5, c: 2 },
      list: [{ x: 2 }, { x: 3 }],
      new: { deep: 'y' },
    });
    expect(original).toEqual(copy);
  });

  it('takes a key out with null where that is asked for', () => {
    const original = { a: { b: 1, c: 2 }, list: [1], lora: { rank: 8 } };
    const removed = applyOverrides(original, ['lora=null', 'a.b=', 'list.0=null', 'none.x=null'], {
      nullRemoves: true,
    });
    expect(removed).toEqual({ a: { c: 2 }, list: [null], none: {} });
    expect(Object.keys(Object(removed))).toEqual(['a', 'list', 'none']);
  });

  it('cannot reach a prototype', () => {
    const value = applyOverrides({}, ['__proto__.polluted=1', 'constructor.prototype.polluted=1']);
    expect(Object.getOwnPropertyNames(value)).toEqual(['__proto__', 'constructor']);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it.each([
    ['a', 'expected key=value'],
    ['=1', 'expected key=value'],
    ['a..b=1', 'expected key=value'],
    ['a=[1', '--set a=[1, value:1:'],
    ['list.x=1', 'list is a list; expected an index from 0 to 1, found x'],
    ['list.2=1', 'index from 0 to 1, found 2'],
    ['number.x=1', 'number is 3, it has no key x'],
  ])('refuses %j', (override, problem) => {
    const apply = () => applyOverrides({ list: [1], number: 3 }, [override]);
    expect(apply).toThrow(InputError);
    expect(apply).toThrow(problem);
  });
});

describe('didYouMean', () => {
  const candidates = ['learningRate', 'minLearningRate', 'weightDecay', 'seed', 'tokenizer'];
  it.each([
    ['learningRat', 'learningRate'],
    ['learning_rate', 'learningRate'],
    ['lerningrate', 'learningRate'],
    ['wieghtDecay', 'weightDecay'],
    ['sede', 'seed'],
    ['tokeniser', 'tokenizer'],
    ['colour', undefined],
    ['x', undefined],
    ['y'.repeat(1_000_000), undefined],
  ])('%s -> %s', (word, expected) => {
    expect(didYouMean(word, candidates)).toBe(expected);
  });
});
