import { setImmediate as immediate } from 'node:timers/promises';

/** Lets everything else that waits have its turn: between two pieces of work that would take long in one. */
export function nextTurn(): Promise<void> {
  return immediate();
}
