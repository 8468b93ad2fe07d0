import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Programs that the tests run for real, and the Debian package each is in. */
const NEEDED: readonly { program: string; debianPackage: string }[] = [
  { program: '/usr/bin/redis-server', debianPackage: 'redis-server' },
  { program: '/usr/sbin/dockerd', debianPackage: 'docker.io' },
  { program: '/usr/sbin/iptables', debianPackage: 'iptables' },
  { program: '/usr/bin/fail2ban-server', debianPackage: 'fail2ban' },
  { program: '/usr/lib/dovecot/imap-login', debianPackage: 'dovecot-imapd' },
  { program: '/bin/busybox', debianPackage: 'busybox-static' },
  { program: '/usr/bin/curl', debianPackage: 'curl' },
  { program: '/usr/sbin/postfix', debianPackage: 'postfix' },
  { program: '/usr/sbin/dnsmasq', debianPackage: 'dnsmasq-base' },
  { program: '/usr/bin/prometheus-alertmanager', debianPackage: 'prometheus-alertmanager' },
  { program: '/usr/bin/promtool', debianPackage: 'prometheus' },
];

/** The tests bring a configuration of their own: without one, no mail server of the machine's is set up or started. */
const ANSWERS = 'postfix postfix/main_mailer_type select No configuration\n';

/**
 * Installs the Debian packages that are missing where that is possible; throws with what to install where it is not.
 * Services are kept from starting by themselves.
 */
export function ensurePackages(): void {
  const missing = NEEDED.filter(({ program }) => !existsSync(program)).map(({ debianPackage }) => debianPackage);
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`the tests run real servers; install them first, as root on Debian: ${command}`);
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const options = { env, stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'] };
  try {
    execFileSync('apt-get', ['update', '-qq'], options);
    if (missing.includes('postfix'))
      execFileSync('debconf-set-selections', { ...options, stdio: 'pipe', input: ANSWERS });
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], options);
  } catch (error) {
    throw new Error(`the tests run real servers, and these could not be installed: ${command}`, { cause: error });
  }
}
