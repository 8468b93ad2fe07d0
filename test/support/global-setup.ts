import { ensurePackages } from './packages.ts';

/** Runs once before the tests: everything they need that npm does not bring. */
export function setup(): void {
  ensurePackages();
}
