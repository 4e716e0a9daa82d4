import type { Mock } from '../emit.ts';
import type { Pipeline } from '../pipeline.ts';
import { telegram } from './telegram.ts';
import { telegramMock } from './telegram-mock.ts';

/** Every pipeline of this application. */
export const pipelines: readonly Pipeline[] = [telegram];

/** What feeds them while nothing real does. */
export const mocks: readonly Mock[] = [telegramMock];
