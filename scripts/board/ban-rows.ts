import { chart } from './charts.ts';
import { bars, stat, table } from './figures.ts';
import { grownEach, grownInRange, HOST, JAIL, rateOf } from './queries.ts';
import type { Tile } from './tile.ts';
import { worldMap } from './world-map.ts';

const BANS = { metric: 'fail2ban_bans_total', filter: JAIL };
const KNOWN = { metric: 'fail2ban_known_user_bans_total', filter: JAIL };
const FAILURES = { metric: 'fail2ban_auth_failures_total', filter: HOST };
const REJECTS = { metric: 'mail_rejects_total', filter: HOST };

/** What is worth a look from across the room. */
export function overview(): Tile[] {
  const about = (title: string, description: string) => ({ title, description, unit: 'short', w: 3 });
  return [
    stat(about('Banned now', 'Bans that stand.'), { expr: `sum(fail2ban_active_bans{${JAIL}})` }, [
      'green',
      [100, 'orange'],
      [1_000, 'red'],
    ]),
    stat(about('Bans', 'Bans that began in the range of the board.'), { expr: grownInRange(BANS) }, ['blue']),
    stat(
      about('Own users banned', 'Bans of networks that your own users log in from, in the range of the board.'),
      { expr: grownInRange(KNOWN) },
      ['green', [1, 'red']],
    ),
    stat(
      about('Failed logins', 'In the range of the board; each once, whichever logs tell of it.'),
      { expr: grownInRange(FAILURES) },
      ['blue'],
    ),
    stat(
      about('Refused', 'Connections and mails that the mail server refused, in the range of the board.'),
      { expr: grownInRange(REJECTS) },
      ['blue'],
    ),
    stat(
      about('Sources down', 'Sources that cannot be relied on: what they would tell is not known.'),
      { expr: `sum(1 - cowbell_source_up{${HOST}})` },
      ['green', [1, 'red']],
    ),
    stat(
      about('Owed', 'Events that some notifier has not delivered yet.'),
      { expr: `sum(cowbell_outbox_events{${HOST}})` },
      ['green', [100, 'orange'], [1_000, 'red']],
    ),
    stat(about('Denylist', "Networks on the server's denylist."), { expr: `sum(fail2ban_denylist_entries{${HOST}})` }, [
      'blue',
    ]),
  ];
}

/** How many, when and where. */
export function bans(): Tile[] {
  return [
    chart(
      { title: 'Bans per hour', description: 'Bans that began in the hour before each bar.', unit: 'short', w: 12 },
      [{ expr: grownEach('1h', { ...BANS, by: ['jail'] }), legend: '{{jail}}' }],
      { isBars: true, interval: '1h' },
    ),
    chart(
      {
        title: 'Bans per day',
        description: 'Bans that began in the day before each bar, for 30 days, whatever the range of the board.',
        unit: 'short',
        w: 12,
      },
      [{ expr: grownEach('1d', { ...BANS, by: ['jail'] }), legend: '{{jail}}' }],
      { isBars: true, interval: '1d', timeFrom: '30d' },
    ),
    chart({ title: 'Active bans', description: 'Bans that stand, by jail.', unit: 'short', w: 12 }, [
      { expr: `sum by (jail) (fail2ban_active_bans{${JAIL}})`, legend: '{{jail}}' },
    ]),
    bars(
      {
        title: 'By service',
        description: 'Bans in the range of the board by the service that was tried most.',
        unit: 'short',
        w: 4,
      },
      { expr: `sort_desc(${grownInRange({ ...BANS, by: ['service'] })})`, legend: '{{service}}' },
    ),
    bars(
      { title: 'By jail', description: 'Bans in the range of the board; mailcow has one jail.', unit: 'short', w: 4 },
      { expr: `sort_desc(${grownInRange({ ...BANS, by: ['jail'] })})`, legend: '{{jail}}' },
    ),
    bars(
      {
        title: 'How they ended',
        description: 'Bans that ended in the range of the board; cleared: netfilter restarted and dropped them.',
        unit: 'short',
        w: 4,
      },
      {
        expr: `sort_desc(${grownInRange({ metric: 'fail2ban_unbans_total', filter: JAIL, by: ['reason'] })})`,
        legend: '{{reason}}',
      },
    ),
  ];
}

/** Who, and from where. */
export function offenders(): Tile[] {
  const byCountry = (filter: string) => grownInRange({ ...BANS, filter, by: ['country'] });
  return [
    worldMap(
      {
        title: 'Where they come from',
        description:
          'Bans in the range of the board, by the country of the worst address. The map itself is fetched by your browser.',
        unit: 'short',
        w: 14,
      },
      { expr: `${byCountry(`${JAIL}, country!~"|unknown|other"`)} > 0` },
    ),
    table(
      {
        title: 'Top offenders',
        description:
          'The 20 networks that were banned most, of all that the ledger holds, whatever the range of the board.',
        unit: 'short',
        w: 10,
        h: 12,
      },
      { expr: `sort_desc(max by (network, country) (fail2ban_top_offender_bans{${HOST}}))` },
      { names: { network: 'Network', country: 'Country' }, value: 'Bans' },
    ),
    bars(
      {
        title: 'Countries',
        description: 'The ten countries with most bans in the range of the board; unknown: no country database knows.',
        unit: 'short',
        w: 12,
      },
      { expr: `sort_desc(topk(10, ${byCountry(JAIL)} > 0))`, legend: '{{country}}' },
    ),
    chart(
      {
        title: 'Own users affected',
        description:
          'Bans in each hour of networks that your own users log in from: a phone with an old password, as a rule.',
        unit: 'short',
        w: 12,
      },
      [{ expr: grownEach('1h', { ...KNOWN, by: ['jail'] }), legend: '{{jail}}' }],
      { isBars: true, interval: '1h', steps: ['green', [1, 'red']] },
    ),
  ];
}

/** What leads to bans, and what is turned away without one. */
export function attempts(): Tile[] {
  return [
    chart({ title: 'Failed logins by service', description: 'Each once, a second.', unit: 'cps', w: 12 }, [
      { expr: rateOf({ ...FAILURES, by: ['service'] }), legend: '{{service}}' },
    ]),
    chart(
      {
        title: 'Refused connections and mails',
        description: 'By service and the reason that the mail server gave, a second. They are no bans.',
        unit: 'cps',
        w: 12,
      },
      [{ expr: rateOf({ ...REJECTS, by: ['service', 'reason'] }), legend: '{{service}} {{reason}}' }],
    ),
  ];
}
