/** The fields that every response and chunk of one request begins with. */
import { randomUUID } from 'node:crypto';
import type { OpenAiContext, RequestedModel } from './context.js';

export interface ResponseBase<ObjectName extends string> {
  readonly id: string;
  readonly object: ObjectName;
  /** Seconds since 1970. */
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

export function responseBase<ObjectName extends string>(
  prefix: 'chatcmpl' | 'cmpl',
  object: ObjectName,
  requested: RequestedModel,
  context: OpenAiContext,
): ResponseBase<ObjectName> {
  return {
    id: `${prefix}-${randomUUID().replaceAll('-', '')}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: requested.id,
    system_fingerprint: context.fingerprint,
  };
}
