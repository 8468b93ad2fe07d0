import { join } from 'node:path';
import { expect, it } from 'vitest';
import { toRfc3339 } from '../../src/core/clock.ts';
import type { BanEvent } from '../../src/core/event.ts';
import type { LogSource } from '../../src/core/watcher.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { renderSlack } from '../../src/notifiers/slack.ts';
import { createNetfilterWatcher } from '../../src/watchers/netfilter.ts';
import { readCapturedRun } from '../support/captured-run.ts';
import { createHarness } from '../support/recorder-harness.ts';
import { drawSlack } from './alert-picture.ts';

const PICTURE = join(import.meta.dirname, '..', '..', 'docs', 'alert.svg');

/** The first ban that the real netfilter made in a recorded run, as cowbell tells it. */
async function firstBan(): Promise<BanEvent> {
  const { lines, states } = readCapturedRun('01-defaults');
  const state = states.find(({ active }) => Object.keys(active).length > 0);
  if (state === undefined) throw new Error('the recording has no ban');
  const harness = createHarness({ startedAt: lines[0]?.at ?? 0 });
  harness.snapshot({});
  const source: LogSource = {
    name: 'netfilter',
    async *read() {
      yield {
        lines: lines.filter(({ at }) => at <= state.at).map(({ at, text }) => ({ stamp: toRfc3339(at), text })),
      };
    },
  };
  const watcher = createNetfilterWatcher('netfilter', source);
  for await (const batch of watcher.watch(undefined, new AbortController().signal)) {
    harness.recorder.record(watcher, batch);
  }
  harness.at((state.at - (lines[0]?.at ?? 0)) / 1_000);
  harness.snapshot(
    Object.fromEntries(Object.entries(state.active).map(([field, end]) => [field, Number(end) * 1_000])),
  );
  const event = harness.events.find(({ type }) => type === 'ban.started');
  if (event === undefined) throw new Error('no ban was told');
  return event;
}

it('shows an alert as it is sent today', async () => {
  const message = renderSlack(composeMessage([await firstBan()]));
  await expect(drawSlack(message)).toMatchFileSnapshot(PICTURE);
});
