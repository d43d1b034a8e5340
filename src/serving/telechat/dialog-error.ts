/**
 * How TeleChat's published service says what went wrong: an envelope with a code of its own. What is wrong with a dialog or
 * a parameter comes with HTTP 200, as published: its clients look at `code`. What the published service has no word for
 * (keys, limits, a full queue, an engine that is away) keeps its HTTP status.
 */
import { z } from 'zod';
import { HttpError } from '../http/index.js';

export const dialogErrorSchema = z.object({
  seqid: z.string().describe("The X-Request-Id. (Published: always ''.)"),
  code: z.string().describe('10301 field missing, 10305 out of range, 10903 failed, 10904 dialog wrong'),
  message: z.string(),
  flag: z.literal('0').describe('Failed.'),
  data: z.string(),
});

export type DialogErrorBody = z.output<typeof dialogErrorSchema>;

const published = {
  missing: ['10301', '服务必填参数缺失'],
  range: ['10305', '请求参数范围错误'],
  failed: ['10903', '服务执行失败'],
  dialog: ['10904', '服务请求参数dialog错误'],
} as const satisfies Record<string, readonly [code: string, message: string]>;

export type DialogFault = Exclude<keyof typeof published, 'failed'>;

/** @param detail what is wrong, where, and the way out */
export function dialogError(fault: DialogFault, detail: string, param: string): HttpError {
  const [code, message] = published[fault];
  return new HttpError(200, { message: `${message}: ${detail}`, code, param, type: 'DialogError' });
}

export function dialogErrorBody(
  error: HttpError,
  { requestId }: { readonly requestId: string },
): DialogErrorBody {
  const [failed, message] = published.failed;
  const isOurs = error.type === 'DialogError';
  return {
    seqid: requestId,
    code: isOurs ? String(error.code) : failed,
    message: isOurs ? error.message : `${message}: ${error.message}`,
    flag: '0',
    data: '执行失败',
  };
}
