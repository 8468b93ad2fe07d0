/** Runs once before the tests: everything they need that npm does not bring. */
export async function setup(): Promise<void> {}
