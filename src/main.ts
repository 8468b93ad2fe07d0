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
  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stop.signal,
  });
}

export {};
