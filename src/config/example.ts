import { describeConfig, type OptionInfo, type SectionInfo } from './options.ts';

const WIDTH = 110;

/** What an option is set to where it has no default. */
const SAMPLES: Record<string, string> = {
  host: 'mail.example.org',
  state: 'state/cowbell.db',
  project: 'mailcowdockerized',
  name: 'second',
  password: `'\${REDISPASS}'`,
  container: 'a-container',
  'pattern.service': 'a-service',
  'pattern.patterns': `[{kind: auth-failed, regex: '^login of <F-USER>\\S+</F-USER> from <HOST> failed$', service: ui}]`,
  fail2ban_keys: `'fail2ban:*'`,
  jails: '[sshd, recidive]',
  socket: '/var/run/fail2ban/fail2ban.sock',
  'mailcow_api.url': 'https://mail.example.org',
  'mailcow_api.key': `'\${MAILCOW_API_KEY}'`,
  secret: `'\${COWBELL_WEBHOOK_SECRET}'`,
  'email.password': `'\${COWBELL_EMAIL_PASSWORD}'`,
  'quiet_hours.from': `'22:00'`,
  'quiet_hours.to': `'07:00'`,
  every: 'day',
  min_score: '50',
  max_score: '25',
  max_age_seconds: '86400',
  time_zone: 'Europe/Berlin',
  locale: 'de-DE',
  templates: `{ban.started: {title: 'Banned {{ ban.network }}', body: '{{ ban.attempts }} failures'}}`,
};

/** A configuration with every option: what must be given is given, the rest stands as a comment with its default. */
export function exampleConfig(): string {
  const { top, sections, watchers, notifiers } = describeConfig();
  const plain = top.filter(({ key }) => key !== 'watchers' && key !== 'notifiers');
  const list = (key: string) => top.find((option) => option.key === key)?.description ?? '';
  return [
    '# cowbell: every option, with its default. Secrets may be read from files: `url_file` in place of `url`.',
    '# ${NAME} and ${NAME:-default} are replaced by the environment.',
    '',
    ...comment(list('notifiers'), ''),
    'notifiers:',
    ...notifiers.kinds.flatMap((kind, index) => memberLines(kind, index === 0 ? notifiers.common : [], index === 0)),
    ...comment(list('watchers'), ''),
    '# watchers:',
    ...watchers.kinds.flatMap((kind, index) => memberLines(kind, index === 0 ? watchers.common : [], false)),
    ...plain.flatMap((option) => optionLines(option, '', false)),
    ...sections.flatMap(sectionLines),
  ].join('\n');
}

/** What all kinds have is shown at the first of them. */
function memberLines(
  { key, description, options }: SectionInfo,
  common: readonly OptionInfo[],
  isActive: boolean,
): string[] {
  const mark = isActive ? '' : '# ';
  return [
    ...comment(description, '  '),
    `${mark}  - type: ${key}`,
    ...options.flatMap((option) => optionLines(option, '    ', isActive && option.isRequired, key)),
    ...(common.length > 0 ? comment('These are for every type:', '    ') : []),
    ...common.flatMap((option) => optionLines(option, '    ', false, key)),
    '',
  ];
}

function sectionLines({ key, description, options }: SectionInfo): string[] {
  return [
    ...comment(description, ''),
    `# ${key}:`,
    ...options.flatMap((option) => optionLines(option, '  ', false, key)),
    '',
  ];
}

function optionLines(option: OptionInfo, indent: string, isActive: boolean, kind = ''): string[] {
  const value = option.inner.length > 0 ? '' : ` ${option.defaultText ?? sampleOf(option, kind)}`;
  const line = `${indent}${option.key}:${value}`;
  return [
    ...comment(option.description, indent),
    isActive ? line : `# ${line}`,
    ...option.inner.flatMap((inner) => optionLines(inner, `${indent}  `, isActive, option.key)),
    ...(indent === '' ? [''] : []),
  ];
}

/** As YAML: what this file has for it, else a variable for a secret, else the example of the option itself. */
function sampleOf({ key, isSecret, example }: OptionInfo, kind: string): string {
  const sample = SAMPLES[`${kind}.${key}`] ?? SAMPLES[key];
  if (sample !== undefined) return sample;
  if (isSecret) return `'\${COWBELL_${kind.toUpperCase()}_${key.toUpperCase()}}'`;
  return typeof example === 'string' ? `'${example.replaceAll("'", "''")}'` : (JSON.stringify(example) ?? '');
}

/** Explanations have two marks: taking one away turns options on, and leaves these as they are. */
function comment(text: string, indent: string): string[] {
  const words = text.split(' ').filter((word) => word !== '');
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && indent.length + line.length + word.length + 4 > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines.map((each) => `## ${indent}${each}`);
}
