import { describeConfig, type OptionInfo, type SectionInfo } from './options.ts';

/** The reference of the configuration, in Markdown. */
export function configReference(): string {
  const { top, sections, watchers, notifiers } = describeConfig();
  return [
    '# Configuration',
    '',
    '<!-- Made from the schema by `npm run generate`. -->',
    '',
    'One YAML file: `--config FILE`, else `$COWBELL_CONFIG`, `cowbell.yaml`, `/etc/cowbell/cowbell.yaml`. Without any,',
    '`COWBELL_SLACK_URL`, `COWBELL_DISCORD_URL` or `COWBELL_WEBHOOK_URL` are enough, together with what mailcow has in its',
    'environment: `REDISPASS`, `MAILCOW_HOSTNAME`, `COMPOSE_PROJECT_NAME`, `TZ`. In any string `${NAME}` and',
    '`${NAME:-default}` are replaced by the environment, `$${` stands for `${`. Every secret `x` may be given as `x_file`.',
    '`cowbell check` tells every mistake at once; `cowbell schema` prints the JSON Schema.',
    '',
    ...table(top),
    ...sections.flatMap((section) => [
      `## ${section.key}`,
      '',
      `${section.description}.`,
      '',
      ...table(section.options),
    ]),
    '## watchers',
    '',
    'A list; each has a `type`, the options of its type, and any of these:',
    '',
    ...table(watchers.common),
    ...watchers.kinds.flatMap(member),
    '## notifiers',
    '',
    'A list; each has a `type`, the options of its type, and any of these:',
    '',
    ...table(notifiers.common),
    ...notifiers.kinds.flatMap(member),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function member({ key, description, options }: SectionInfo): string[] {
  return [`### type: ${key}`, '', `${description}.`, '', ...(options.length > 0 ? table(options) : [])];
}

function table(options: readonly OptionInfo[]): string[] {
  return ['| option | default | what it is |', '|---|---|---|', ...options.flatMap((option) => rows(option, '')), ''];
}

/** A section has a row, and each of its options one: `filter.jails`. */
function rows({ key, description, defaultText, isRequired, isSecret, inner }: OptionInfo, parent: string): string[] {
  const shown = inner.length > 0 ? '' : defaultText === undefined ? '' : `\`${defaultText}\``;
  const value = isRequired ? 'required' : shown;
  const own = `| \`${parent}${key}\`${isSecret ? ' 🔒' : ''} | ${value} | ${description.replaceAll('|', '\\|')} |`;
  return [own, ...inner.flatMap((option) => rows(option, `${parent}${key}.`))];
}
