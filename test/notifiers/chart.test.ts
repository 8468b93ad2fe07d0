import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { sparkline } from '../../src/core/sparkline.ts';
import { drawChart } from '../../src/notifiers/chart-png.ts';
import { composeMessage } from '../../src/notifiers/compose.ts';
import { renderMail } from '../../src/notifiers/mail-text.ts';
import { sampleEvents } from '../../src/notifiers/sample-events.ts';
import { deliveryOf } from '../support/delivery.ts';
import { buildRig, NOW, senders } from './rig.ts';

const digest = sampleEvents('mail.example.org', NOW).find(({ type }) => type === 'digest');
if (digest === undefined) throw new Error('no sample of a digest');
const message = composeMessage([digest]);

/** How many pixels of the column in the middle of each place have this red, from top to bottom. */
async function heights(values: number[], previous?: number[], red = 0xe5): Promise<number[]> {
  const { width, height, data } = decode(await drawChart({ values, ...(previous && { previous }), caption: '' }));
  const place = (width - 32) / values.length;
  return values.map((_, index) => {
    const column = Math.round(16 + (index + 0.5) * place);
    return Array.from({ length: height }, (_each, row) => data[(row * width + column) * 4]).filter(
      (each) => each === red,
    ).length;
  });
}

describe('a chart', () => {
  it('has a bar for each value, in one scale with those of the period before', async () => {
    expect(await heights([0, 5, 10])).toEqual([0, 134, 268]);
    expect(await heights([0, 5, 10], [20, 0, 0])).toEqual([0, 67, 134]);
  });

  it('is a picture where nothing happened, or where there is nothing', async () => {
    expect(await heights([0, 0])).toEqual([0, 0]);
    expect(decode(await drawChart({ values: [], caption: '' })).width).toBe(960);
  });

  it('is a line of blocks in text', () => {
    expect(sparkline([0, 1, 7, 14])).toBe('▁▂▅█');
    expect(sparkline([0, 0])).toBe('▁▁');
    expect(sparkline([3, 2_000_000])).toBe('▂█');
  });
});

describe('a digest', () => {
  it('shows it as a file in Discord, with words for who does not see it', async () => {
    const definition = senders.find(({ type }) => type === 'discord');
    const rig = await buildRig(definition ?? expect.unreachable());
    try {
      await rig.notifier.notify(deliveryOf('digest', [digest]), new AbortController().signal);
      const [request] = rig.receiver.requests;
      expect(request?.problems).toEqual([]);
      expect([...(request?.files.keys() ?? [])]).toEqual(['files[0] chart.png']);
      expect(request?.json).toMatchObject({
        attachments: [{ description: 'Bans by the hour, 14 at most; grey: the day before' }],
      });
    } finally {
      await rig.close();
    }
  });

  it('shows it as a picture inside of a mail', async () => {
    const { html, pictures } = await renderMail(message);
    expect(html).toContain('src="cid:chart@cowbell" alt="Bans by the hour, 14 at most; grey: the day before"');
    expect(pictures).toMatchObject([{ cid: 'chart@cowbell', name: 'chart.png' }]);
    expect(decode(pictures[0]?.png ?? new Uint8Array()).width).toBe(960);
  });

  it.each(senders.filter(({ audience, type }) => audience === 'people' && type !== 'discord').map(({ type }) => type))(
    'shows it as a line of blocks in %s',
    async (type) => {
      const rig = await buildRig(senders.find((each) => each.type === type) ?? expect.unreachable());
      try {
        await rig.notifier.notify(deliveryOf('digest', [digest]), new AbortController().signal);
        expect(JSON.stringify(rig.receiver.requests[0]?.json)).toMatch(/▁▂▁▂▄▆█/);
      } finally {
        await rig.close();
      }
    },
  );
});
