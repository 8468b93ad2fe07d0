import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A client of 127.0.0.1 that comes from another address of loopback and says what it wants, when it wants. */
export interface SmtpClient {
  /** Waits for a whole reply of the server; undefined when it hangs up instead. */
  reply(): Promise<string | undefined>;
  send(text: string): void;
  /** Sends a line and waits for the reply. */
  say(line: string): Promise<string | undefined>;
  /** Hangs up at once, with a reset if that is asked for. */
  hangUp(): void;
  closed: Promise<unknown>;
}

export async function smtpFrom(localAddress: string, port: number): Promise<SmtpClient> {
  const socket: Socket = connect({ host: '127.0.0.1', port, localAddress });
  socket.setEncoding('utf8');
  let text = '';
  let isClosed = false;
  let wake = () => {};
  socket.on('data', (more: string) => {
    text += more;
    wake();
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      isClosed = true;
      wake();
      resolve();
    });
  });
  await once(socket, 'connect');
  const client: SmtpClient = {
    async reply() {
      for (;;) {
        const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(text);
        if (whole !== null) {
          text = text.slice(whole[0].length);
          return whole[0];
        }
        if (isClosed) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    send: (said) => void socket.write(said),
    async say(line) {
      socket.write(`${line}\r\n`);
      return await client.reply();
    },
    hangUp: () => void socket.destroy(),
    closed,
  };
  return client;
}
