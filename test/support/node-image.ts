import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type DockerEngine, importImage } from './docker-engine.ts';

export const NODE_IMAGE = 'node:local';

/**
 * Makes a base image from the Node.js that runs the tests, npm, busybox and the machine's certificates: it stands in for
 * the official image, which cannot be pulled here, through the build argument of the Dockerfile.
 */
export function importNodeImage(engine: DockerEngine): void {
  const root = mkdtempSync(join(tmpdir(), 'cb-'));
  try {
    for (const name of ['bin', 'usr/bin', 'usr/local/bin', 'usr/lib', 'tmp', 'proc', 'sys', 'dev', 'etc', 'root']) {
      mkdirSync(join(root, name), { recursive: true });
    }
    chmodSync(join(root, 'tmp'), 0o1777);
    cpSync('/bin/busybox', join(root, 'bin/busybox'));
    for (const applet of ['sh', 'mkdir', 'chown', 'chmod', 'env', 'find', 'ls', 'cat', 'rm'])
      symlinkSync('busybox', join(root, 'bin', applet));
    symlinkSync('/bin/env', join(root, 'usr/bin/env'));
    copyWithLibraries(realpathSync(process.execPath), '/usr/bin/node', root);
    cpSync(npmFolder(), join(root, 'usr/lib/npm'), { recursive: true, dereference: true });
    symlinkSync('/usr/lib/npm/bin/npm-cli.js', join(root, 'usr/bin/npm'));
    copyTo(root, '/etc/ssl/certs/ca-certificates.crt', '/etc/passwd', '/etc/group', '/etc/nsswitch.conf');
    // Where the machine reaches the registry by certificates of its own, so does the build.
    const { NODE_EXTRA_CA_CERTS } = process.env;
    importImage(engine.socket, root, NODE_IMAGE, NODE_EXTRA_CA_CERTS === undefined ? {} : { NODE_EXTRA_CA_CERTS });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Where npm itself is installed, beside the Node.js of the system. */
function npmFolder(): string {
  const found = ['/usr/lib/node_modules/npm', '/usr/local/lib/node_modules/npm', '/usr/share/nodejs/npm'].find(
    existsSync,
  );
  if (found === undefined) throw new Error('npm is not where it usually is');
  return found;
}

function copyWithLibraries(program: string, to: string, root: string): void {
  copyFileSync(program, join(root, to));
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).match(/\/[^ ]+(?= \()/g) ?? [];
  // Names are looked up by libraries that are loaded when they are needed.
  const lazily = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'].map(
    (name) => `/lib/x86_64-linux-gnu/${name}`,
  );
  copyTo(root, ...libraries, ...lazily.filter(existsSync));
}

function copyTo(root: string, ...files: string[]): void {
  for (const file of files.filter(existsSync)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
}
