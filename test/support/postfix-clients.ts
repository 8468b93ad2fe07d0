import { smtpFrom } from './postfix-client.ts';
import { ALLOWED, DENIED, type PostfixServer } from './postfix-server.ts';

type Ports = PostfixServer['ports'];

/** What each client does; the name is its address. They come at the same time, each waits for its own replies. */
export const CLIENTS: Record<string, (address: string, ports: Ports) => Promise<void>> = {
  // Speaks before the greeting, which then never ends: its first line and the answer are one reply.
  '127.0.0.2': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    client.send('EHLO early.example\r\n');
    await client.reply();
    await client.say('MAIL FROM:<spammer@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.3': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    client.hangUp();
    await client.closed;
  },
  '127.0.0.4': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('HELO x.example\r\nMAIL FROM:<"x> to=<y[8.8.8.8]: z"@sender.example>\r\n');
    await client.reply();
    await client.reply();
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.5': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('GET http://[8.8.8.8]:25/ HTTP/1.1');
    await client.closed;
  },
  '127.0.0.6': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('HELO x.example\n');
    await client.reply();
    await client.say('QUIT');
  },
  // Behaves, and is told to come again.
  '127.0.0.7': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO mail.example.net');
    await client.say('MAIL FROM:<>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.8': async (address, { postscreen }) => {
    const clients = [await smtpFrom(address, postscreen), await smtpFrom(address, postscreen)];
    const third = await smtpFrom(address, postscreen);
    await third.closed;
    for (const client of clients) {
      await client.reply();
      await client.say('QUIT');
    }
  },
  '127.0.0.9': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    for (let count = 0; count < 6; count++) await client.say('NOOP');
    await client.closed;
  },
  '127.0.0.10': async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    client.send('A'.repeat(4_096));
    await client.closed;
  },
  [DENIED]: async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  [ALLOWED]: async (address, { postscreen }) => {
    const client = await smtpFrom(address, postscreen);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<victim@gmail.com>');
    await client.say('RCPT TO:<nobody@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.21': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('HELO -bad-');
    await client.say('MAIL FROM:<a@sender.example>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  // Writes what looks like a reply of its own.
  '127.0.0.22': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('EHLO unknown[8.8.8.8]');
    await client.say('MAIL FROM:<"x>: Access denied; from=<y"@sender.example>');
    await client.say('RCPT TO:<"x[8.8.8.8]: 554 5.7.1 <z"@gmail.com>');
    await client.say('QUIT');
  },
  '127.0.0.23': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    await client.say('CONNECT 8.8.8.8:443 HTTP/1.0');
    await client.closed;
  },
  '127.0.0.24': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    client.send('HELO x.example\r\nMAIL FROM:<a@sender.example>\r\n');
    await client.reply();
    await client.reply();
    await client.say('QUIT');
  },
  '127.0.0.25': async (address, { smtpd }) => {
    const client = await smtpFrom(address, smtpd);
    await client.reply();
    for (let count = 0; count < 5; count++) await client.say('BOGUS');
    await client.closed;
  },
  '127.0.0.31': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say(`AUTH PLAIN ${plain('info@example.org', 'wrong')}`);
    await client.say(`AUTH PLAIN ${plain('x: SASL PLAIN from unknown[8.8.8.8]: @everyone', 'wrong')}`);
    await client.say('AUTH CRAM-MD5');
    await client.say(`AUTH PLAIN ${plain('broken', 'wrong')}`);
    await client.closed;
  },
  '127.0.0.32': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say(`AUTH PLAIN ${plain('info@example.org', 'right')}`);
    await client.say('MAIL FROM:<info@example.org>');
    await client.say('RCPT TO:<info@example.org>');
    await client.say('QUIT');
  },
  '127.0.0.33': async (address, { submission }) => {
    const client = await smtpFrom(address, submission);
    await client.reply();
    await client.say('EHLO x.example');
    await client.say('AUTH PLAIN');
    client.hangUp();
    await client.closed;
  },
  '127.0.0.41': async (address, { limited }) => {
    for (let count = 0; count < 2; count++) {
      const client = await smtpFrom(address, limited);
      await client.reply();
      await client.say('QUIT');
      await client.closed;
    }
  },
};

function plain(user: string, password: string): string {
  return Buffer.from(`\0${user}\0${password}`).toString('base64');
}
