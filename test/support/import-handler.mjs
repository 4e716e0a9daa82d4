/** Loads the bundle beside it, as Lambda's runtime does. */
const { handler } = await import('./index.mjs');
process.stdout.write(typeof handler);
process.exit();
