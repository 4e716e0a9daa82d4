import type { Mock } from '../emit.ts';
import type { Pipeline } from '../pipeline.ts';
import { sales } from './sales.ts';
import { salesMock } from './sales-mock.ts';
import { telegram } from './telegram.ts';
import { telegramActivity } from './telegram-activity.ts';
import { telegramActivityMock } from './telegram-activity-mock.ts';
import { telegramMock } from './telegram-mock.ts';
import { transactions } from './transactions.ts';
import { transactionsMock } from './transactions-mock.ts';
import { tweets } from './tweets.ts';
import { tweetsMock } from './tweets-mock.ts';

/** Every pipeline of this application. */
export const pipelines: readonly Pipeline[] = [telegram, telegramActivity, transactions, sales, tweets];

/** What feeds them while nothing real does. */
export const mocks: readonly Mock[] = [telegramMock, telegramActivityMock, transactionsMock, salesMock, tweetsMock];
