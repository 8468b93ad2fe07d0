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
    ...watchers.flatMap(member),
    '## notifiers',
    '',
    ...notifiers.flatMap(member),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function member({ key, description, options }: SectionInfo): string[] {
  return [`### type: ${key}`, '', `${description}.`, '', ...table(options)];
}

function table(options: readonly OptionInfo[]): string[] {
  const rows = options.map(({ key, description, defaultText, isRequired, isSecret }) => {
    const value = isRequired ? 'required' : defaultText === undefined ? '' : `\`${defaultText}\``;
    return `| \`${key}\`${isSecret ? ' 🔒' : ''} | ${value} | ${description.replaceAll('|', '\\|')} |`;
  });
  return ['| option | default | what it is |', '|---|---|---|', ...rows, ''];
}
