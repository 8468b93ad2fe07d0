import { createHmac, timingSafeEqual } from 'node:crypto';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { webhookSchema } from '../../src/notifiers/cloud-event.ts';

/**
 * What a receiver of CloudEvents and Standard Webhooks checks:
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md,
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
 */
export function createWebhookRules(secret?: string) {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  const isValid = ajv.compile(webhookSchema());

  /** Everything that is wrong with a request. */
  return (headers: Readonly<Record<string, string>>, body: string, json: unknown): string[] => {
    const problems: string[] = [];
    const expected = `application/cloudevents${Array.isArray(json) ? '-batch' : ''}+json`;
    if (headers['content-type']?.split(';')[0] !== expected) problems.push(`content-type is not ${expected}`);
    if (!/^\d{10}$/.test(headers['webhook-timestamp'] ?? '')) problems.push('webhook-timestamp is not in seconds');
    if (!isValid(json)) problems.push(`not as the schema says: ${ajv.errorsText(isValid.errors)}`);
    if (secret !== undefined && !isSigned(secret, headers, body)) problems.push('the signature is wrong');
    if (secret === undefined && headers['webhook-signature'] !== undefined) problems.push('signed without a secret');
    return problems;
  };
}

function isSigned(secret: string, headers: Readonly<Record<string, string>>, body: string): boolean {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const wanted = createHmac('sha256', key).update(content).digest();
  return (headers['webhook-signature'] ?? '').split(' ').some((signature) => {
    const [version, text = ''] = signature.split(',');
    const given = Buffer.from(text, 'base64');
    return version === 'v1' && given.length === wanted.length && timingSafeEqual(given, wanted);
  });
}
