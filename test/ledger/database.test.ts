import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PermanentError, TransientError } from '../../src/core/errors.ts';
import { lockLedger, openDatabase } from '../../src/ledger/database.ts';
import { openLedger } from '../../src/ledger/ledger.ts';
import { MIGRATIONS } from '../../src/ledger/migrations.ts';
import { sampleEvent } from '../support/sample-bans.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('opening a ledger', () => {
  it('makes the file and its folder, and finds again what was written', () => {
    const file = join(tempDir(), 'state', 'cowbell.db');
    const first = openLedger(file, Date.now);
    first.transaction(() => first.saveCursor('netfilter', 'c1'));
    first.close();
    const second = openLedger(file, Date.now);
    expect(second.cursor('netfilter')).toBe('c1');
    second.close();
  });

  it.each([
    ['text', Buffer.from('this is not a database, but somebody else’s precious notes\n'.repeat(20))],
    ['a header followed by rubbish', Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4096, 0xa5)])],
  ])('refuses %s and leaves it as it is', (_what, content) => {
    const file = join(tempDir(), 'cowbell.db');
    writeFileSync(file, content);
    expect(() => openDatabase(file)).toThrow(PermanentError);
    expect(() => openDatabase(file)).toThrow(/left as it is|not a ledger/);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('refuses a ledger with damaged pages', () => {
    const file = join(tempDir(), 'cowbell.db');
    const ledger = openLedger(file, Date.now);
    ledger.transaction(() => {
      for (let n = 0; n < 500; n++) ledger.deliveries.publish(sampleEvent(`e${n}`), [{ name: 'slack' }]);
    });
    ledger.close();
    const content = readFileSync(file);
    content.fill(0xff, 8192, content.length - 4096);
    writeFileSync(file, content);
    expect(() => openDatabase(file)).toThrow(/cannot be opened/);
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  it('refuses another program’s database and a newer schema, and says what to do', () => {
    const dir = tempDir();
    const foreign = new DatabaseSync(join(dir, 'other.db'));
    foreign.exec('CREATE TABLE t (x)');
    foreign.close();
    expect(() => openDatabase(join(dir, 'other.db'))).toThrow(/not a ledger of cowbell/);

    const file = join(dir, 'cowbell.db');
    openDatabase(file).close();
    const newer = new DatabaseSync(file);
    newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    newer.close();
    expect(() => openDatabase(file)).toThrow(/newer cowbell.*update cowbell/);
  });

  it('keeps a second daemon away, and lets it in once the first was killed', async () => {
    const file = join(tempDir(), 'cowbell.db');
    const holder = spawn(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      `const { lockLedger } = await import(${JSON.stringify(join(process.cwd(), 'src/ledger/database.ts'))});
       lockLedger(${JSON.stringify(file)}); console.log('locked'); setInterval(() => {}, 1000);`,
    ]);
    await once(holder.stdout, 'data');
    expect(() => lockLedger(file)).toThrow(/another cowbell is running/);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    lockLedger(file)();
  });
});

describe('a full disk', () => {
  it('is told as such, loses nothing that was recorded, and is over when there is room again', () => {
    const dir = join(tempDir(), 'full');
    mkdirSync(dir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir]);
    onTestFinished(() => void execFileSync('umount', ['-l', dir]));
    const ledger = openLedger(join(dir, 'cowbell.db'), Date.now);
    let recorded = 0;
    const fill = () => {
      for (; recorded < 10_000; recorded++) {
        ledger.transaction(() => ledger.deliveries.publish(sampleEvent(`e${recorded}`), [{ name: 'slack' }]));
      }
    };
    expect(fill).toThrow(TransientError);
    expect(fill).toThrow(/disk that holds the ledger is full/);
    expect(recorded).toBeGreaterThan(20);
    expect(ledger.deliveries.eventCounts().get('source.down')).toBe(recorded);
    expect(ledger.deliveries.owed('slack')).toBe(recorded);
    execFileSync('mount', ['-o', 'remount,size=16m', dir]);
    ledger.transaction(() => ledger.deliveries.publish(sampleEvent('after'), [{ name: 'slack' }]));
    expect(ledger.deliveries.owed('slack')).toBe(recorded + 1);
    ledger.close();
  });
});
