import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../src/core/notifier.ts';
import { type Ledger, openLedger } from '../../src/ledger/ledger.ts';
import { sampleEvent } from '../support/sample-bans.ts';
import { tempDir } from '../support/temp-dir.ts';

function ledgerWith(count: number, consumers = ['slack', 'webhook']): { ledger: Ledger; file: string } {
  const file = join(tempDir(), 'cowbell.db');
  const ledger = openLedger(file, () => 1_000);
  ledger.transaction(() => {
    for (let n = 1; n <= count; n++)
      ledger.deliveries.publish(
        sampleEvent(`e${n}`),
        consumers.map((name) => ({ name })),
      );
  });
  return { ledger, file };
}

const idsOf = (delivery: Delivery | undefined) => Array.from(delivery?.events ?? [], ({ id }) => id);

describe('the outbox', () => {
  it('hands out the oldest first, and the same delivery until it is finished, also after a crash', () => {
    const { ledger, file } = ledgerWith(5);
    const first = ledger.deliveries.claim('slack', 3);
    expect(idsOf(first)).toEqual(['e1', 'e2', 'e3']);
    ledger.deliveries.failed('slack', first?.id ?? '', 'HTTP 500');
    ledger.close();

    const again = openLedger(file, () => 2_000);
    const second = again.deliveries.claim('slack', 100);
    expect([second?.id, ...idsOf(second)]).toEqual([first?.id, 'e1', 'e2', 'e3']);
    expect(again.deliveries.owed('slack')).toBe(5);
    again.deliveries.delivered('slack', first?.id ?? '');
    expect(idsOf(again.deliveries.claim('slack', 100))).toEqual(['e4', 'e5']);
    expect(again.deliveries.owed('slack')).toBe(2);
    expect(again.deliveries.owed('webhook')).toBe(5);
    again.close();
  });

  it('sets a refused delivery aside until a person retries or drops it', () => {
    const { ledger } = ledgerWith(4);
    const refused = ledger.deliveries.claim('slack', 2);
    ledger.deliveries.park('slack', refused?.id ?? '', 'HTTP 404: no_service');
    expect(ledger.deliveries.summary()).toEqual([
      { consumer: 'slack', owed: 2, parked: 2, oldestAt: 1_795_430_000_000 },
      { consumer: 'webhook', owed: 4, parked: 0, oldestAt: 1_795_430_000_000 },
    ]);
    expect(ledger.deliveries.list('parked', 10)).toMatchObject([
      { consumer: 'slack', events: 2, error: 'HTTP 404: no_service' },
    ]);
    expect(idsOf(ledger.deliveries.claim('slack', 10))).toEqual(['e3', 'e4']);
    expect(ledger.deliveries.retryParked('webhook')).toBe(0);
    expect(ledger.deliveries.retryParked('slack')).toBe(2);
    expect(ledger.deliveries.owed('slack')).toBe(4);
    expect(ledger.deliveries.drop('webhook')).toBe(4);
    expect(ledger.deliveries.owed('webhook')).toBe(0);
    expect(ledger.deliveries.owed('slack')).toBe(4);
    ledger.close();
  });
});

describe('a delivery of thousands', () => {
  it('is taken and given back in slices, and has a new id when it is another thing', () => {
    const { ledger } = ledgerWith(1_200, ['slack']);
    const outbox = ledger.deliveries;
    const claim = outbox.claim('slack', 1_100);
    expect(claim).toMatchObject({ size: 500, isNew: true });
    const sizes = [];
    const ids = new Set([claim?.id]);
    for (let more = outbox.extend('slack', 1_100); more !== undefined; more = outbox.extend('slack', 1_100)) {
      sizes.push(more.size);
      ids.add(more.id);
    }
    expect(sizes).toEqual([1_000, 1_100]);
    expect(ids.size).toBe(3);
    const again = outbox.claim('slack', 1_100);
    expect(again).toMatchObject({ size: 1_100, isNew: false });
    expect(ids.has(again?.id)).toBe(true);
    expect(idsOf(again)).toEqual(Array.from({ length: 1_100 }, (_, index) => `e${index + 1}`));
    // An outcome of what it was before is none of what it is now.
    outbox.delivered('slack', claim?.id ?? '');
    expect(outbox.owed('slack')).toBe(1_200);
    expect([outbox.release('slack'), outbox.release('slack'), outbox.release('slack')]).toEqual([true, true, false]);
    expect(outbox.claim('slack', 10)).toMatchObject({ size: 10, isNew: true });
    expect(outbox.owed('slack')).toBe(1_200);
    ledger.close();
  });

  it('that was tried in vain may be dropped, one that is sent for the first time not', () => {
    const { ledger } = ledgerWith(3);
    const first = ledger.deliveries.claim('slack', 2);
    expect(ledger.deliveries.drop('slack')).toBe(1);
    expect(ledger.deliveries.owed('slack')).toBe(2);
    ledger.deliveries.failed('slack', first?.id ?? '', 'HTTP 404');
    expect(ledger.deliveries.drop('slack')).toBe(2);
    expect(ledger.deliveries.owed('slack')).toBe(0);
    expect(ledger.deliveries.claim('slack', 2)).toBeUndefined();
    expect(ledger.deliveries.owed('webhook')).toBe(3);
    ledger.close();
  });
});

describe('retention', () => {
  const limits = {
    bansMs: 1_000,
    eventsMs: 1_000,
    evidenceMs: 1_000,
    evidenceRows: 10,
    knownUsersMs: 1_000,
    knownUsersRows: 10,
  };

  it('prunes what is old and owed to nobody, and keeps what is owed however old it is', () => {
    const { ledger } = ledgerWith(6, ['slack']);
    const done = ledger.deliveries.claim('slack', 2);
    ledger.deliveries.delivered('slack', done?.id ?? '');
    const refused = ledger.deliveries.claim('slack', 2);
    ledger.deliveries.park('slack', refused?.id ?? '', 'HTTP 404');
    const now = 1_795_430_000_000 + 86_400_000;
    while (ledger.prune(limits, now) > 0);
    expect(ledger.deliveries.eventCounts().get('source.down')).toBe(4);
    expect(ledger.deliveries.owed('slack')).toBe(2);
    expect(ledger.deliveries.retryParked()).toBe(2);
    expect(idsOf(ledger.deliveries.claim('slack', 10))).toEqual(['e3', 'e4', 'e5', 'e6']);
    ledger.close();
  });

  it('bounds evidence by number, the oldest go first', () => {
    const { ledger } = ledgerWith(0);
    ledger.transaction(() => {
      for (let n = 0; n < 50; n++) {
        ledger.evidence.add({ at: 10_000 + n, ip: `198.51.100.${n}` as never, service: 'smtp' }, 'netfilter');
      }
    });
    while (ledger.prune(limits, 10_500) > 0);
    expect(ledger.evidence.reasons('198.51.100.0/24' as never, 0).attempts).toBe(10);
    expect(ledger.evidence.reasons('198.51.100.49/32' as never, 0).attempts).toBe(1);
    ledger.close();
  });
});
