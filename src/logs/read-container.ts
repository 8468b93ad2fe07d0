import type { ContainerInspectInfo } from 'dockerode';
import type { Logger } from '../core/logger.ts';
import type { LogChunk, LogLine } from '../core/watcher.ts';
import type { FoundContainer } from './discovery.ts';
import { askEngine, connectionCodeOf, type DockerClient, statusOf } from './docker-client.ts';
import { createFrameDecoder } from './frames.ts';
import { createSkipper, type LogCursor } from './log-cursor.ts';
import { createTerminalDecoder } from './terminal-lines.ts';

/** After this much silence the far side is asked whether it is still there: a proxy may vanish without a word. */
const KEEP_ALIVE_MS = 30_000;
/** The engine has no such container any more, or is about to remove it. */
const GONE = new Set([404, 409]);

/** One time of reading a container. */
export interface Attachment {
  readonly container: FoundContainer;
  /** ms since the epoch. */
  readonly since: number;
  /** Moves on with the lines. */
  readonly cursor: LogCursor;
  /** Set at the end: the container had stopped before, and all that it wrote was read. */
  isDrained: boolean;
  /** Set at the end: there were lines that had not been read before. */
  hasLines: boolean;
}

interface LogStream extends AsyncIterable<Buffer> {
  destroy(): void;
  socket?: { setKeepAlive(enable: boolean, initialDelayMs: number): void };
}

/**
 * Reads a container until its stream ends. A cut is a normal end: proxies end quiet streams, engines are restarted. Reads
 * no further ahead than one chunk of the socket while its caller works.
 */
export async function* readContainer(
  docker: DockerClient,
  attachment: Attachment,
  { socket, logger }: { socket: string; logger: Logger },
  signal: AbortSignal,
): AsyncIterable<LogChunk> {
  const { container: found, since, cursor } = attachment;
  const handle = docker.getContainer(found.id);
  let stream: LogStream | undefined;
  let cut = 0;
  try {
    const inspect = () => askEngine((abortSignal) => handle.inspect({ abortSignal }), socket, signal);
    const open = (abortSignal: AbortSignal) =>
      handle.logs({
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        since: Math.floor(since / 1000),
        abortSignal,
      });
    const container = await inspect();
    stream = (await askEngine(open, socket, signal)) as unknown as LogStream;
    // Of a container that was started while its log was opened, the stream stays open, and may be silent.
    const isRunning = isUp(container) || isUp(await inspect());
    stream.socket?.setKeepAlive(true, KEEP_ALIVE_MS);
    if (isRunning) yield { lines: [] };
    const decoder = container.Config.Tty ? createTerminalDecoder() : createFrameDecoder();
    const skipSeen = createSkipper(cursor.placeOf(found.id));
    for await (const chunk of stream) {
      const decoded: LogLine[] = [];
      decoder.decode(chunk, decoded);
      if (cut === 0 && decoder.cutLines() > 0) {
        logger.warn({ container: found.name }, 'a log line is too long and was cut');
      }
      cut = decoder.cutLines();
      const lines = skipSeen(decoded);
      if (lines.length === 0) continue;
      attachment.hasLines = true;
      cursor.advance(found.id, lines, decoder.openStamp());
      yield { lines, cursor: cursor.toString() };
    }
    attachment.isDrained = !isRunning;
  } catch (error) {
    const status = statusOf(error);
    if (status !== undefined && GONE.has(status)) attachment.isDrained = true;
    // Whether anybody is there at all, the next question tells.
    else if (connectionCodeOf(error) === undefined) throw error;
  } finally {
    if (cut > 1) logger.warn({ container: found.name, lines: cut }, 'log lines were too long and were cut');
    stream?.destroy();
  }
}

function isUp({ State }: ContainerInspectInfo): boolean {
  return State.Running && !State.Restarting;
}
