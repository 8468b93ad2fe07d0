import type { Exec, ExecResult } from '../../src/core/watcher.ts';

/** A fail2ban whose client prints what the real one prints. */
export interface FakeFail2ban {
  exec: Exec;
  /** Every command that was run, `banned`, `get sshd banip --with-time`, `date +%z`. */
  commands: string[];
  argv: (readonly string[])[];
  /** Jail → target → when it began, in ms, and for how many seconds; -1 for ever. */
  jails: Map<string, Map<string, { at: number; seconds: number }>>;
  ban(jail: string, target: string, seconds: number): void;
  unban(jail: string, target: string): void;
  /** Answers every command with this. */
  answerWith(result: Partial<ExecResult> | undefined): void;
  /** 0.11.2 and later know `banned`, 0.11 and later the times. */
  knowsBanned: boolean;
  knowsTimes: boolean;
  /** `bantime` of every jail. */
  banSeconds: number;
  /** `+0100`, as the container's clock says it; undefined where there is no `date`. */
  zone: string | undefined;
}

export function createFakeFail2ban({ clock }: { clock: { now(): number } }): FakeFail2ban {
  let fixed: Partial<ExecResult> | undefined;
  const good = (stdout: string): ExecResult => ({ exitCode: 0, stdout: `${stdout}\n`, stderr: '', isCut: false });
  const bad = (stdout: string, stderr: string): ExecResult => ({
    exitCode: 255,
    stdout: `${stdout}\n`,
    stderr: `2026-11-23 11:10:51,782 fail2ban                [4543]: ERROR   ${stderr}\n`,
    isCut: false,
  });
  const invalid = () => bad('Invalid command', "NOK: ('Invalid command',)");

  function wall(ms: number): string {
    const [, sign, hours, minutes] = /^([+-])(\d\d)(\d\d)$/.exec(fake.zone ?? '+0000') ?? [];
    const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
    return new Date(Math.floor((ms + offset) / 1_000) * 1_000).toISOString().slice(0, 19).replace('T', ' ');
  }

  function answer(command: readonly string[]): ExecResult {
    const [verb, name = ''] = command;
    if (verb === 'banned') {
      if (!fake.knowsBanned) return invalid();
      const each = [...fake.jails].map(([jail, bans]) => `{'${jail}': [${[...bans.keys()].map(repr).join(', ')}]}`);
      return good(`[${each.join(', ')}]`);
    }
    if (verb === 'status' && command.length === 1) {
      return good(
        `Status\n|- Number of jail:\t${fake.jails.size}\n\`- Jail list:\t${[...fake.jails.keys()].join(', ')}`,
      );
    }
    const jail = fake.jails.get(verb === 'get' || verb === 'status' ? name : '');
    if (jail === undefined) return bad(`Sorry but the jail '${name}' does not exist`, `NOK: ('${name}',)`);
    if (verb === 'status') {
      const list = [...jail.keys()].join(' ');
      return good(
        `Status for the jail: ${name}\n|- Filter\n|  \`- File list:\t/var/log/mail.log\n\`- Actions\n   |- Currently banned:\t${jail.size}\n   \`- Banned IP list:\t${list}`,
      );
    }
    if (command[2] === 'bantime') return good(String(fake.banSeconds));
    if (command[2] !== 'banip' || !fake.knowsTimes) return invalid();
    const lines = [...jail].map(([target, { at, seconds }]) => {
      const end = seconds < 0 ? '9999-12-31 23:59:59' : wall(at + seconds * 1_000);
      return `${target} \t${wall(at)} + ${seconds} = ${end}`;
    });
    return good(lines.join('\n'));
  }

  const fake: FakeFail2ban = {
    commands: [],
    argv: [],
    jails: new Map(),
    knowsBanned: true,
    knowsTimes: true,
    banSeconds: 3_600,
    zone: '+0100',
    async exec(_selector, argv) {
      fake.argv.push(argv);
      const command = argv[0] === 'date' ? argv : argv.slice(argv[1] === '-s' ? 3 : 1);
      fake.commands.push(command.join(' '));
      if (fixed !== undefined) return { ...good(''), ...fixed };
      if (argv[0] !== 'date') return answer(command);
      return fake.zone === undefined ? { ...good(''), exitCode: 127 } : good(fake.zone);
    },
    ban(jail, target, seconds) {
      const bans = fake.jails.get(jail) ?? new Map();
      fake.jails.set(jail, bans.set(target, { at: clock.now(), seconds }));
    },
    unban(jail, target) {
      fake.jails.get(jail)?.delete(target);
    },
    answerWith(result) {
      fixed = result;
    },
  };
  return fake;
}

/** As Python writes a text. */
function repr(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return text.includes("'") && !text.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}
