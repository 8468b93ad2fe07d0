import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { startProgram } from './process.ts';
import { freePort } from './redis-server.ts';

export interface AlertmanagerServer {
  url: string;
  /** What stands there, by the names of its alerts. */
  standing(): Promise<StandingAlert[]>;
  close(): Promise<void>;
}

export interface StandingAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  endsAt: string;
}

/** Debian's prometheus-alertmanager on a port of loopback, alone and with nobody to tell. */
export async function startAlertmanager(): Promise<AlertmanagerServer> {
  const folder = mkdtempSync(join(tmpdir(), 'cb-'));
  const port = await freePort();
  writeFileSync(join(folder, 'config.yml'), 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n');
  const program = startProgram('/usr/bin/prometheus-alertmanager', [
    `--config.file=${folder}/config.yml`,
    `--storage.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--cluster.listen-address=',
  ]);
  const url = `http://127.0.0.1:${port}`;
  const close = async () => {
    await program.end('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually(async () => {
      const response = await fetch(`${url}/-/ready`).catch(() => undefined);
      if (response?.status !== 200) throw new Error(program.output());
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    standing: async () => (await (await fetch(`${url}/api/v2/alerts`)).json()) as StandingAlert[],
    close,
  };
}
