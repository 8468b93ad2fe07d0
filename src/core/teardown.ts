import { messageOf } from './errors.ts';

interface Step {
  name: string;
  run: () => Promise<void> | void;
  timeoutMs: number;
}

/** What went wrong while something was taken down. */
export interface TeardownFailure {
  step: string;
  message: string;
}

/**
 * A named stack of things to undo, run in reverse order of building. Each step is bounded in time and none is skipped
 * because an earlier one failed.
 */
export class Teardown {
  readonly #steps: Step[] = [];

  push(name: string, run: () => Promise<void> | void, timeoutMs = 5_000): void {
    this.#steps.push({ name, run, timeoutMs });
  }

  /** Runs every step once; returns what failed or took too long. */
  async run(): Promise<TeardownFailure[]> {
    const failures: TeardownFailure[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      const failure = await runBounded(step);
      if (failure !== undefined) failures.push({ step: step.name, message: failure });
    }
    return failures;
  }
}

async function runBounded(step: Step): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`not done after ${step.timeoutMs} ms`), step.timeoutMs);
  });
  const done = (async () => {
    await step.run();
    return undefined;
  })().catch(messageOf);
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
