/** The process: nothing is loaded before it is known that this Node.js can run it. */

const OLDEST_NODE = 24;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  process.stderr.write(`cowbell needs Node.js ${OLDEST_NODE} or newer; this is ${process.version}\n`);
  process.exitCode = 1;
} else {
  const { runCli } = await import('./cli/program.ts');
  const stop = new AbortController();
  let signals = 0;
  const onSignal = (name: string) => {
    signals++;
    // The first one asks, the second one does not wait.
    if (signals > 1) process.exit(name === 'SIGINT' ? 130 : 143);
    stop.abort();
  };
  process.on('SIGINT', () => onSignal('SIGINT'));
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  let reload: AbortController | undefined;
  // Only a daemon takes a hang-up for a wish; all else ends by it.
  const listenForReload = () => {
    process.on('SIGHUP', () => {
      reload?.abort();
      reload = new AbortController();
    });
    return new AbortController();
  };
  // A reader that has gone, as `head` does, ends it without a word.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && !stop.signal.aborted) {
      process.stderr.write(`cowbell: standard output cannot be written to: ${error.message}\n`);
    }
    process.exitCode ||= 1;
    stop.abort();
  });
  // Where standard error cannot be written to there is nobody to tell.
  process.stderr.on('error', () => {});
  const exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
    reload: () => {
      reload ??= listenForReload();
      return reload.signal;
    },
  });
  if (exitCode !== 0) process.exitCode = exitCode;
}

export {};
