import { createSocket } from 'node:dgram';
import { eventually } from './eventually.ts';
import { startProgram } from './process.ts';
import { freePort } from './redis-server.ts';

export interface DnsServer {
  /** `127.0.0.1:port`, as the configuration has it. */
  address: string;
  /** Names of which an address was asked for, in their order. */
  asked(): string[];
  close(): Promise<void>;
}

/**
 * Debian's dnsmasq, which knows the zones and in them the names, each with its addresses; in other zones it refuses, and
 * other names there are none. Each address leads back to its name; those in `forged`, as `7.113.0.203.in-addr.arpa`, lead to others'.
 */
export async function startDns(
  zones: readonly string[],
  names: Readonly<Record<string, readonly string[]>>,
  { forged = {} }: { forged?: Readonly<Record<string, string>> } = {},
): Promise<DnsServer> {
  const port = await freePort();
  const program = startProgram('/usr/sbin/dnsmasq', [
    '--keep-in-foreground',
    '--log-facility=-',
    '--log-queries',
    '--conf-file=/dev/null',
    '--pid-file=',
    '--user=root',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    '--listen-address=127.0.0.1',
    `--port=${port}`,
    ...zones.map((zone) => `--local=/${zone}/`),
    ...Object.entries(forged).map(([address, name]) => `--ptr-record=${address},${name}`),
    ...Object.entries(names).flatMap(([name, answers]) => answers.map((answer) => `--host-record=${name},${answer}`)),
  ]);
  await eventually(() => {
    if (!program.output().includes('started, version')) throw new Error(program.output());
  });
  return {
    address: `127.0.0.1:${port}`,
    asked: () => [...program.output().matchAll(/query\[(?:A|AAAA|PTR)\] (\S+) from/g)].map(([, name = '']) => name),
    close: async () => void (await program.end('SIGKILL')),
  };
}

/** One that answers every question with this code, 2 being SERVFAIL, or not at all. https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1 */
export async function startOddDns(code: number | 'silent'): Promise<DnsServer> {
  const socket = createSocket('udp4');
  let questions = 0;
  socket.on('message', (question, { address, port }) => {
    questions++;
    if (code === 'silent') return;
    const answer = Buffer.from(question);
    answer.writeUInt16BE(0x8180 | code, 2);
    socket.send(answer, port, address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    asked: () => Array.from({ length: questions }, () => '?'),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}
