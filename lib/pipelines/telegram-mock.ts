import type { Mock } from '../emit.ts';
import type { Message } from '../source/producer.ts';
import { formatInstant } from '../time/instant.ts';
import { ageMs, isOneIn, type Shares } from './mishaps.ts';
import { pick } from './random.ts';

/** How many messages in a hundred are not as they should be: what a real topic holds as well. */
export const SHARES = {
  late: 1,
  /** Late for the 1-minute window, some for the 10-minute windows too. */
  lateMs: [120_000, 1_200_000],
  outOfOrder: 5,
  malformed: 0.5,
  /** Without a user, and so without a Kafka key. */
  anonymous: 2,
} as const satisfies Shares & { readonly anonymous: number };

type Author = {
  readonly user_id: number;
  readonly username: string;
  readonly first_name: string;
  readonly last_name: string;
};

const author = (user_id: number, username: string, first_name: string, last_name: string): Author => ({
  user_id,
  username,
  first_name,
  last_name,
});

export const AUTHORS = [
  author(100_001, 'alice', 'Алиса', 'Белова'),
  author(100_002, 'bob', 'Борис', 'Ветров'),
  author(100_003, 'charlie', 'Чарли', 'Громов'),
  author(100_004, 'diana', 'Диана', 'Лисина'),
  author(100_005, 'eve', 'Ева', 'Зимина'),
  author(100_006, 'frank', 'Фёдор', 'Климов'),
  author(100_007, 'grace', 'Галина', 'Морозова'),
  author(100_008, 'henry', 'Геннадий', 'Орлов'),
  author(100_009, 'iris', 'Ирина', 'Павлова'),
  author(100_010, 'jack', 'Яков', 'Соколов'),
] as const;

const NOBODY = { user_id: null, username: null, first_name: null, last_name: null } as const;

export const CHANNELS = [
  { channel_id: 1050820672, channel_name: 'Новости города' },
  { channel_id: 1149896996, channel_name: 'Техника каждый день' },
  { channel_id: 1101170442, channel_name: 'Погода и дороги' },
  { channel_id: 1036362176, channel_name: 'Кухня соседей' },
  { channel_id: 1310155678, channel_name: 'Книжный клуб' },
  { channel_id: 1001872252, channel_name: 'Футбол по вечерам' },
  { channel_id: 1054549314, channel_name: 'Музыка без рекламы' },
  { channel_id: 1073571855, channel_name: 'Путешествия налегке' },
] as const;

export const PHRASES = [
  'Доброе утро всем!',
  'Кто сегодня идёт на матч?',
  'Отличная новость 🎉',
  'Спасибо, очень помогло',
  'Дождь обещают только к вечеру',
  'Прочитал за одну ночь, советую',
  'А рецепт можно?',
  'Опять пробка на мосту 🚗',
  'Не согласен, но спорить не буду',
  'Концерт перенесли на субботу',
  'Где купить билеты?',
  'Смешно 😂',
] as const;

/** What a careless producer sends: each is rejected for a reason of its own. */
const SPOIL = [
  (value: object) => JSON.stringify(value).slice(0, -20),
  (value: object) => JSON.stringify({ ...value, message_id: undefined }),
  (value: object) => JSON.stringify({ ...value, event_time: 'вчера вечером' }),
  (value: object) => JSON.stringify({ ...value, channel_id: 0 }),
  () => null,
] as const;

/** Ten people talk in eight channels: 3 messages every half second, keyed by user. */
export const telegramMock: Mock = {
  pipeline: 'telegram',
  topic: { name: 'telegram_messages', partitions: 2 },
  everyMs: 500,
  batch: 3,
  generate(random, now, sequence): Message {
    const from = isOneIn(random, SHARES.anonymous) ? NOBODY : pick(random, AUTHORS);
    const text = pick(random, PHRASES);
    const value = {
      event_time: formatInstant(now - ageMs(random, SHARES)).replace('Z', '+00:00'),
      ...pick(random, CHANNELS),
      message_id: sequence,
      ...from,
      text,
      text_length: Array.from(text).length, // characters, an emoji being one
    };
    return {
      key: from.user_id === null ? null : `${from.user_id}`,
      value: isOneIn(random, SHARES.malformed) ? pick(random, SPOIL)(value) : JSON.stringify(value),
    };
  },
};
