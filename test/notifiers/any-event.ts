import fc from 'fast-check';
import type { z } from 'zod';
import { BanEvent } from '../../src/core/event.ts';
import { HOSTILE_TEXTS, MARKUP_PIECES } from './hostile-events.ts';

/** Any event that the schema allows, of any kind, each field with the worst that can stand in it. */

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  innerType?: z.ZodType;
  options?: z.ZodType[];
  values?: unknown[];
  entries?: Record<string, string>;
  format?: string;
}

const PIECES = [
  ...MARKUP_PIECES,
  '.',
  '\t',
  '{{',
  '}}',
  '$',
  '%',
  '"',
  "'",
  'https://',
  'mailto:',
  'Z',
  'example.org',
  '🔔',
  '‮',
];

/** What may stand in a text: plain things, so that each place is reached; markup; and what no one would write. */
const text = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '203.0.113.7/32',
      '2001:db8::/48',
      '198.51.100.0/24',
      '0.0.0.0/0',
      'smtp',
      'DE',
      'netfilter',
      'mail.example.org',
      '',
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom(...HOSTILE_TEXTS.filter((each) => each.length < 1_000)) },
  { weight: 2, arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }).map((list) => list.join('')) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(...PIECES, ...HOSTILE_TEXTS)
      .map((each) => each.repeat(Math.ceil(9_000 / (each.length + 1)))),
  },
);

const count = fc.oneof(fc.nat(30), fc.nat(), fc.constantFrom(0, 1, 999_999, Number.MAX_SAFE_INTEGER));

const time = fc
  .oneof(
    fc.integer({ min: -90_000, max: 90_000 }).map((seconds) => Date.parse('2026-11-23T12:00:00Z') + seconds * 1_000),
    fc.integer({ min: Date.parse('2001-09-09T01:46:40Z'), max: Date.parse('2200-01-01T00:00:00Z') }),
  )
  .map((ms) => new Date(ms).toISOString());

function arbitraryOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  const definition = schema._zod.def as unknown as Definition;
  const { type, shape = {}, element, innerType, options = [], values = [], entries = {}, format } = definition;
  switch (type) {
    case 'object': {
      const fields = Object.entries(shape).map(([key, field]) => [key, arbitraryOf(field)] as const);
      const optional = Object.entries(shape).filter(([, field]) => field.isOptional());
      const requiredKeys = Object.keys(shape).filter((key) => !optional.some(([name]) => name === key));
      return fc.record(Object.fromEntries(fields), { requiredKeys });
    }
    case 'array':
      return fc.array(arbitraryOf(element as z.ZodType), { maxLength: 14, size: 'max' });
    case 'optional':
      return arbitraryOf(innerType as z.ZodType);
    case 'union':
      return fc.oneof(...options.map(arbitraryOf));
    case 'literal':
      return fc.constantFrom(...values);
    case 'enum':
      return fc.constantFrom(...Object.values(entries));
    case 'boolean':
      return fc.boolean();
    case 'number':
      return schema.safeParse(0.5).success
        ? fc.oneof(fc.integer({ min: 0, max: 100 }), fc.double({ min: -1_000, max: 1_000_000, noNaN: true }))
        : count;
    case 'string':
      return format === 'datetime' ? time : text;
    default:
      throw new Error(`no arbitrary for ${type}`);
  }
}

/** One of each kind, by kind. */
export const EVENTS_BY_KIND = BanEvent.options.map(
  (option) => [option.shape.type.value, arbitraryOf(option) as fc.Arbitrary<BanEvent>] as const,
);

/** One event of any kind. */
export const anyEvent: fc.Arbitrary<BanEvent> = fc.oneof(...EVENTS_BY_KIND.map(([, event]) => event));

/** What one delivery may hold: each kind as often as the next, some of them many. */
export const anyEvents: fc.Arbitrary<BanEvent[]> = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(anyEvent) },
  { weight: 1, arbitrary: fc.array(anyEvent, { minLength: 2, maxLength: 30, size: 'max' }) },
);
