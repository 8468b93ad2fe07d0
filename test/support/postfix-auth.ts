import { createServer, type Server } from 'node:net';

/**
 * An authentication server as Postfix asks one, in place of Dovecot's: takes every user with the password `right`, and is
 * out of order for the user `broken`. Protocol: https://doc.dovecot.org/main/developers/design/auth_protocol.html
 */
export async function startAuthServer(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.write('VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n');
    let rest = '';
    socket.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const [command, id, , ...parameters] = line.split('\t');
        if (command === 'AUTH') socket.write(answer(id ?? '', parameters));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

function answer(id: string, parameters: string[]): string {
  const response = parameters.find((each) => each.startsWith('resp='))?.slice('resp='.length);
  if (response === undefined) return `CONT\t${id}\t\n`;
  const [, user = '', password = ''] = Buffer.from(response, 'base64').toString('utf8').split('\0');
  if (user === 'broken')
    return `FAIL\t${id}\tuser=${user}\ttemp\treason=Temporary authentication failure. [mail:2026]\n`;
  return password === 'right' ? `OK\t${id}\tuser=${user}\n` : `FAIL\t${id}\tuser=${user}\n`;
}
