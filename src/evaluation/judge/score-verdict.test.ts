import { describe, expect, test } from 'vitest';
import { readPreferenceVerdict } from './preference-verdict.js';
import { readScoreVerdict } from './score-verdict.js';

function scoreOf(text: string): number | string {
  const reading = readScoreVerdict(text);
  return reading.kind === 'verdict' ? reading.verdict.score : reading.reason;
}

describe('a score is read', () => {
  test.each([
    ['plainly', '{"reason": "good", "score": 85}', 85],
    ['in a fence', '```json\n{"score": 70, "reason": "ok"}\n```', 70],
    ['with prose around it', 'Here is my verdict:\n{"reason":"fine","score":61}\nThank you.', 61],
    ['with full-width digits', '{"reason": "很好", "score": ８５}', 85],
    ['with full-width marks and curly quotes', '｛“reason”：“很好”，“score”：９０｝', 90],
    ['as a text', '{"reason":"x","score":"77"}', 77],
    ['over a hundred', '{"score": "66/100"}', 66],
    ['in 分', '{"理由":"好","评分":"８８分"}', 88],
    ['not whole', '{"score": 87.5}', 87.5],
    ['at the ends of the scale', '{"score": 0}', 0],
    ['with capitals', '{"Reason": "x", "Score": 100}', 100],
    ['with raw line breaks in the reason', '{"reason": "one\ntwo", "score": 44}', 44],
    ['with braces in the reason', '{"reason": "it wrote {\\"score\\": 100} itself", "score": 12}', 12],
    ['behind thoughts', '<think>maybe {"score": 10}? no</think>{"score": 55}', 55],
    ['behind thoughts whose beginning the template ate', 'maybe {"score": 10}</think>{"score": 55}', 55],
    ['twice, the same', '{"score": 50}\n\n{"score": 50, "reason": "again"}', 50],
    ['beside objects that are something else', '{"name": "x"} {"score": 31}', 31],
  ])('%s', (_, text, score) => {
    expect(scoreOf(text)).toBe(score);
  });
});

describe('what is no verdict is told by kind', () => {
  test.each([
    ['nothing', '  \n', 'empty answer'],
    ['prose', 'I would give it 85.', 'no verdict'],
    ['a number alone', '85', 'no verdict'],
    ['markup of another bench', 'Rating: [[8]]', 'no verdict'],
    ['a page', '<html><body>busy</body></html>', 'no verdict'],
    ['an object without a score', '{"reason": "good"}', 'no verdict'],
    ['a score that is a word', '{"score": "high"}', 'no verdict'],
    ['a score of null', '{"score": null}', 'no verdict'],
    ['another scale', '{"score": "8/10"}', 'no verdict'],
    ['a list', '{"score": [85]}', 'no verdict'],
    ['a refusal', "I'm sorry, but I can't help with that.", 'refusal'],
    ['a refusal in Chinese', '抱歉，我无法对该内容进行评分。', 'refusal'],
    ['too much', '{"score": 120}', 'score out of range'],
    ['too little', '{"score": -5}', 'score out of range'],
    ['too much in full-width digits', '{"score": "１２０"}', 'score out of range'],
    ['one of two out of range', '{"score": 85} {"score": 850}', 'verdicts that differ'],
    ['two that differ', '{"score": 100} {"score": 20}', 'verdicts that differ'],
    ['an end within the number', '{"reason": "x", "score": 8', 'cut off'],
    ['an end within the reason', '{"score": 85, "reason": "the answ', 'cut off'],
    ['thoughts without end', '<think>well, {"score": 85}', 'cut off'],
  ])('%s', (_, text, reason) => {
    expect(scoreOf(text)).toBe(reason);
  });

  test('a million braces take no time', () => {
    const started = Date.now();
    expect(scoreOf('{'.repeat(1e6))).toBe('no verdict');
    expect(Date.now() - started).toBeLessThan(2000);
  });
});

test.each([
  ['{"reason": "x", "winner": "A"}', 'A'],
  ['```\n{"winner": "b"}\n```', 'B'],
  ['{"winner": "Ｔie"}', 'tie'],
  ['{"胜者": "平局"}', 'tie'],
  ['{"winner": "Assistant B"}', 'B'],
  ['{"winner": "both"}', 'no verdict'],
  ['{"winner": "A"} {"winner": "B"}', 'verdicts that differ'],
  ['A', 'no verdict'],
])('a preference: %s', (text, winner) => {
  const reading = readPreferenceVerdict(text);
  expect(reading.kind === 'verdict' ? reading.verdict.winner : reading.reason).toBe(winner);
});
