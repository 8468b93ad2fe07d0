import { z } from 'zod';
import { BanEvent, subjectOf } from '../core/event.ts';

/**
 * An event in the JSON format of CloudEvents 1.0
 * (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
 */
export function toCloudEvent(event: BanEvent) {
  const { id, at, host, type, ...data } = event;
  const subject = subjectOf(event);
  return {
    specversion: '1.0',
    id,
    // A URI reference that may not be empty: a host name is one as it is.
    source: encodeURIComponent(host.toWellFormed()) || 'unknown',
    type: `cowbell.${type}`,
    time: at,
    ...(subject !== undefined && { subject }),
    datacontenttype: 'application/json',
    data,
  };
}

const CloudEvent = z.discriminatedUnion(
  'type',
  BanEvent.options.map((option) => {
    const { id, at, host: _host, type, ...data } = option.shape;
    return z.object({
      specversion: z.literal('1.0'),
      id,
      source: z.string().min(1).meta({ format: 'uri-reference', description: 'The host' }),
      type: z.literal(`cowbell.${type.value}`),
      time: at,
      subject: z.string().optional().describe('The network that the event is about'),
      datacontenttype: z.literal('application/json'),
      data: z.object(data),
    });
  }) as never,
);

/** The JSON Schema of what the generic webhook sends: one event, or an array of them. */
export function webhookSchema(): object {
  return z.toJSONSchema(z.union([CloudEvent, z.array(CloudEvent).min(1)]), { io: 'output', target: 'draft-2020-12' });
}
