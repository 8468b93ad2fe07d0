import { METRICS, type MetricDefinition } from '../src/core/metrics.ts';

/** `docs/metrics.md`: what is around the table is written here, the table is made of the metrics themselves. */
export function metricsPage(): string {
  const rows = Object.entries(METRICS as Record<string, MetricDefinition>).map(
    ([name, { type, labels, help, isKept, most }]) =>
      `| \`${name}\`${isKept ? ' 💾' : ''} | ${type} | ${labels.join(', ')} | ${most ?? ''} | ${help} |`,
  );
  return `${ABOVE}${rows.join('\n')}\n`;
}

const ABOVE = `# Metrics and health

<!-- Made by \`npm run generate\`. -->

cowbell answers at \`http.listen\`, which is \`127.0.0.1:9464\` unless you say otherwise:

| path | answer |
|---|---|
| \`/metrics\` | for Prometheus: its text format, or OpenMetrics where that is asked for |
| \`/healthz\` | 200: cowbell is alive |
| \`/readyz\` | 200 while all is well, else 503; each source and each lane with its state and the reason, and whether the ledger can be written |

\`cowbell health\` asks for the second, \`cowbell health --ready\` for the third. It is 503 when a source could not be read for
longer than its \`grace_seconds\`, when a notifier is parked or owes something for more than ten minutes, and when the disk
that holds the ledger is full or cannot be written.

## From another container

On loopback nobody but the container itself can read. Beside mailcow, the [board](dashboard.md) comes with a network of its
own for this. For a Prometheus on any other network of Compose's, listen on all addresses of the container and set a token;
publish no port.

\`\`\`yaml
http:
  listen: 0.0.0.0:9464
  token_file: /etc/cowbell/metrics-token
notifiers:
  - type: slack
    url: \${COWBELL_SLACK_URL}
\`\`\`

Prometheus sends the token as \`authorization: {credentials_file: …}\` of its job. Without the right one \`/metrics\` answers
401; the other two need none, and tell strangers on that network which sources there are and what is wrong with them.

## Totals

What is marked 💾 is counted in the ledger, in one transaction with what it counts: it goes on where it was after a restart
or a crash, and equals what was told. Series that are known beforehand begin with 0. The others, such as a country, begin
with their first value, which \`increase()\` does not see; as these totals never go back, \`x - (x offset 1h or x * 0)\` does.

No label takes whatever an attacker makes up. Where a metric would have more series than it may, the country of a ban becomes
\`other\`, then its service, then its jail; each is still counted. All metrics together stay below a thousand series.

| metric | type | labels | series at most | what it is |
|---|---|---|---|---|
`;
