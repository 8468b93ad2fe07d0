import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { type Ip, networkContains, parseNetwork, prefixOf } from '../../src/core/network.ts';
import { parseNetworkList } from '../../src/reputation/network-list.ts';
import { networksSource } from '../../src/reputation/networks.ts';
import { net } from '../support/recorder-harness.ts';
import { tempDir } from '../support/temp-dir.ts';

const never = new AbortController().signal;
const ip = (text: string) => text as Ip;
const NOW = Date.parse('2026-11-23T12:00:00Z');
const unused = () => expect.unreachable('nobody is told of anything');
const budget = { take: unused, spend: unused, used: unused };

const LIST = `# those that we know
45.8.0.0/16     30
45.8.1.0/24     80   ; a bad corner
45.8.1.7        0    # and a good neighbour
10.0.0.0/8      0

2a01:4f8::/32   50
2A01:04F8:0::7
`;

let file: string;
beforeEach(() => {
  file = join(tempDir(), 'networks.txt');
  writeFileSync(file, LIST);
});

const sourceOf = (options: object = {}) =>
  networksSource.create(networksSource.options.parse({ file, ...options }), {
    http: { send: unused },
    clock: { now: () => NOW, sleep: unused },
    budget,
  });
const scoreOf = async (address: string) => (await sourceOf().lookUp(ip(address), never))?.score;

describe('a file of networks', () => {
  it('says what the narrowest of them is worth', async () => {
    expect(await sourceOf().lookUp(ip('45.8.1.8'), never)).toEqual({
      source: 'networks',
      score: 80,
      note: '45.8.1.0/24',
      checkedAt: NOW,
    });
    const scores = await Promise.all(['45.8.1.7', '45.8.2.1', '10.1.2.3', '2a01:4f8:1::1', '2a01:4f8::7'].map(scoreOf));
    expect(scores).toEqual([0, 30, 0, 50, 100]);
  });

  it('says nothing of an address that is in none', async () => {
    expect(await Promise.all(['45.9.0.1', '2a02::1'].map(scoreOf))).toEqual([undefined, undefined]);
  });

  it('says of a network the worst that it knows in it, and nothing where it knows but a part', async () => {
    const source = sourceOf();
    expect(await source.lookUpNetwork?.(net('45.8.1.0/24'), never)).toMatchObject({ score: 80 });
    expect(await source.lookUpNetwork?.(net('45.8.0.0/20'), never)).toMatchObject({ score: 80, note: '45.8.1.0/24' });
    expect(await source.lookUpNetwork?.(net('45.8.1.0/29'), never)).toMatchObject({ score: 80 });
    expect(await source.lookUpNetwork?.(net('46.0.0.0/24'), never)).toBeUndefined();
    const partly = await source.lookUpNetwork?.(net('45.0.0.0/8'), never).catch((error: unknown) => error);
    expect(partly).toBeInstanceOf(PermanentError);
    expect(partly).toMatchObject({ isPayload: true, message: `${file} speaks of a part of 45.0.0.0/8 alone` });
  });

  it('is read again when it changes, and is not gone by while it cannot be read', async () => {
    const source = sourceOf({ score: 70 });
    expect(await source.probe(never)).toBe(`${file} holds 6 networks`);
    writeFileSync(file, '45.8.1.7\n');
    expect(await source.lookUp(ip('45.8.1.7'), never)).toMatchObject({ score: 70 });
    writeFileSync(file, '45.8.1.7 bad\n');
    const wrong = source.lookUp(ip('45.8.1.7'), never);
    await expect(wrong).rejects.toThrow(`${file}: line 1: expected a score from 0 to 100`);
    await expect(wrong).rejects.toBeInstanceOf(TransientError);
    rmSync(file);
    await expect(source.lookUp(ip('45.8.1.7'), never)).rejects.toThrow(`${file} cannot be read`);
    writeFileSync(file, '45.8.1.7 20\n');
    expect(await source.lookUp(ip('45.8.1.7'), never)).toMatchObject({ score: 20 });
  });
});

describe('the mistakes in it', () => {
  const mistakesIn = (text: string) => {
    writeFileSync(file, text);
    return networksSource.mistakes?.(networksSource.options.parse({ file })) ?? [];
  };

  it('are told with their lines', () => {
    expect(mistakesIn(LIST)).toEqual([]);
    const text =
      '45.8.0.0/16 30\nnonsense\r\n45.8.1.0/33\n45.8.2.0/24 101\n45.8.2.0/24 -1\n\n45.8.0.9/16 40\n45.8.0.0/16 30\n';
    expect(mistakesIn(text).map(({ message }) => message.slice(file.length + 2))).toEqual([
      'line 2: "nonsense" is no address, and no network such as 192.0.2.0/24',
      'line 3: "45.8.1.0/33" is no address, and no network such as 192.0.2.0/24',
      'line 4: expected a score from 0 to 100 behind the network, or nothing',
      'line 5: expected a score from 0 to 100 behind the network, or nothing',
      'line 7: 45.8.0.0/16 stands in line 1 with another score',
    ]);
  });

  it('are not told by the thousand', () => {
    const messages = mistakesIn('<html>\n'.repeat(50_000)).map(({ message }) => message);
    expect(messages).toHaveLength(6);
    expect(messages.at(-1)).toBe(`${file}: and 49,995 more mistakes`);
  });

  it('are that there is no such file, that it is none, or that it is too large', () => {
    const many = Array.from(
      { length: 100_001 },
      (_, index) => `45.${index >> 16}.${(index >> 8) & 255}.${index & 255}`,
    );
    expect(mistakesIn(many.join('\n'))[0]?.message).toBe(`${file}: there are more than 100,000 networks`);
    expect(mistakesIn('#'.repeat(9_000_000))[0]?.message).toMatch(/cannot be read: it is larger than/);
    for (const path of [join(tempDir(), 'none'), tempDir(), '/dev/zero'])
      expect(networksSource.mistakes?.({ file: path, score: 100 })[0]).toMatchObject({
        option: 'file',
        message: expect.stringMatching(/^cannot be read: (ENOENT|it is no file)/),
      });
  });
});

it('any text is a list or has mistakes, and what is found holds what was looked for', () => {
  const entry = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.integer({ min: 0, max: 100 }));
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 30 }),
      fc.ipV4(),
      fc.string({ unit: 'binary' }),
      (entries, asked, junk) => {
        const lines = entries.map(([address, prefix, score]) => `${address}/${prefix} ${score}`);
        const { list } = parseNetworkList(lines.join('\n'), 100);
        const found = list.around(net(asked));
        const holding = entries
          .map(([address, prefix]) => parseNetwork(`${address}/${prefix}`))
          .filter((network) => network !== undefined)
          .filter((network) => networkContains(network, ip(asked)));
        const narrowest = Math.max(-1, ...holding.map(prefixOf));
        expect(found === undefined ? -1 : prefixOf(found.network)).toBe(narrowest);
        if (found !== undefined) expect(networkContains(found.network, ip(asked))).toBe(true);
        expect(() => parseNetworkList(junk, 100)).not.toThrow();
      },
    ),
    { numRuns: 500 },
  );
});
