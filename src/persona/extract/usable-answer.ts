/** Whether what a teacher wrote can be an answer at all. */

/** Why not, in few words, for counting; undefined: it can. */
export function whyUnusable(answer: string, prompt: string): string | undefined {
  const text = answer.trim();
  if (text === '') return 'empty answer';
  if (text.includes('\ufffd') || /[\p{Cc}]/u.test(text.replace(/[\n\r\t]/g, ''))) return 'garbled answer';
  if (/^\s*<(!doctype|html)/i.test(text)) return 'a page, no answer';
  if (!/[\p{L}\p{N}]/u.test(text)) return 'no words';
  if (/##\s*(人设背景|参考答案|Persona|Reference answer)/.test(text) || text.includes(prompt.slice(0, 60)))
    return 'repeats the prompt';
  if (isRepetition(text)) return 'repeats itself';
  if (REFUSALS.test(text)) return 'refusal';
  return undefined;
}

const REFUSALS =
  /\bI(?:['’]m| am) (?:sorry|unable)[^.]{0,40}(?:assist|help|comply|fulfil)|\bI can(?:not|['’]t) (?:assist|help|comply) with|作为一个?(?:AI|人工智能)语言模型[^。]{0,20}(?:无法|不能)|(?:换个话题|不符合|违反)[^。]{0,12}(?:规定|政策|规范|问题吧|聊)|很抱歉，?(?:我)?(?:无法|不能)(?:提供|回答|处理|完成)(?:该|这|此|您|你)/i;

/** One short piece over and over: a teacher that ran away. */
function isRepetition(text: string): boolean {
  return text.length >= 60 && /^([\s\S]{1,12}?)\1{7,}/.test(text.slice(-400));
}
