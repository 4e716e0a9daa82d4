/**
 * The part of kafkajs' protocol layer, private to kafkajs and without types, that our questions to the brokers use.
 *
 * kafkajs 2.2.4 has no exports map, so these modules can be imported; its version is pinned exactly, so they stay.
 */
declare module 'kafkajs/src/broker/index.js' {
  import type { Logger } from 'kafkajs';
  import type ConnectionPool from 'kafkajs/src/network/connectionPool.js';

  interface PartitionsOf<Partition> {
    readonly topic: string;
    readonly partitions: readonly Partition[];
  }
  interface Address {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
  }
  interface TopicMetadata {
    readonly topic: string;
    readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
  }
  interface Offsets {
    readonly responses: readonly PartitionsOf<{ readonly partition: number; readonly offset: string }>[];
  }

  /** One broker of a cluster. Each question rejects with a KafkaJSError, also for an error code in the answer. */
  export default class Broker {
    constructor(options: { connectionPool: ConnectionPool; logger: Logger; allowAutoTopicCreation: boolean });
    readonly connectionPool: ConnectionPool;
    connect(): Promise<void>;
    metadata(topics: string[]): Promise<{
      readonly brokers: readonly Address[];
      readonly topicMetadata: readonly TopicMetadata[];
    }>;
    listOffsets(request: {
      isolationLevel: number;
      topics: PartitionsOf<{ partition: number; timestamp: number }>[];
    }): Promise<Offsets>;
    findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<{
      readonly coordinator: Address;
    }>;
    offsetFetch(request: { groupId: string; topics: PartitionsOf<{ partition: number }>[] }): Promise<Offsets>;
  }
}

declare module 'kafkajs/src/network/connectionPool.js' {
  import type { ISocketFactory, KafkaConfig, Logger } from 'kafkajs';

  interface Request {
    readonly apiKey: number;
  }
  interface Response<Decoded, Parsed> {
    decode(raw: Buffer): Promise<Decoded>;
    parse(decoded: Decoded): Promise<Parsed>;
  }

  export default class ConnectionPool {
    constructor(
      options: Pick<KafkaConfig, 'ssl' | 'sasl'> & {
        host: string;
        port: number;
        clientId: string;
        socketFactory: ISocketFactory;
        connectionTimeout: number;
        requestTimeout: number;
        logger: Logger;
      },
    );
    getConnection(): Promise<{
      send<Decoded, Parsed>(question: { request: Request; response: Response<Decoded, Parsed> }): Promise<Parsed>;
    }>;
  }
}

declare module 'kafkajs/src/network/socketFactory.js' {
  import type { ISocketFactory } from 'kafkajs';

  export default function socketFactory(): ISocketFactory;
}

declare module 'kafkajs/src/errors.js' {
  import type { KafkaJSError, KafkaJSProtocolError } from 'kafkajs';

  const errors: {
    readonly KafkaJSError: typeof KafkaJSError;
    readonly KafkaJSProtocolError: typeof KafkaJSProtocolError;
  };
  export default errors;
}

declare module 'kafkajs/src/protocol/error.js' {
  const error: { createErrorFromCode(code: number): Error };
  export default error;
}

declare module 'kafkajs/src/protocol/decoder.js' {
  export default class Decoder {
    constructor(buffer: Buffer);
    readonly offset: number;
    canReadBytes(length: number): boolean;
    readInt16(): number;
    readInt32(): number;
    readInt64(): bigint;
    readString(): string | null;
    /** Length first; null when it is -1. */
    readBytes(): Buffer | null;
    readArray<T>(reader: (decoder: Decoder) => T): T[];
    readArrayAsync<T>(reader: (decoder: Decoder) => Promise<T>): Promise<T[]>;
  }
}

declare module 'kafkajs/src/protocol/recordBatch/v0/decoder.js' {
  import type Decoder from 'kafkajs/src/protocol/decoder.js';

  export interface RecordBatch {
    readonly firstOffset: string;
    readonly lastOffsetDelta: number;
    readonly producerId: string;
    readonly inTransaction: boolean;
    readonly isControlBatch: boolean;
    readonly records: readonly {
      readonly offset: string;
      readonly timestamp: string;
      readonly key: Buffer | null;
      readonly value: Buffer | null;
    }[];
  }
  export default function decodeRecordBatch(decoder: Decoder): Promise<RecordBatch>;
}

declare module 'kafkajs/src/protocol/requests/fetch/v11/request.js' {
  export default function fetchRequest(options: {
    replicaId: number;
    maxWaitTime: number;
    minBytes: number;
    maxBytes: number;
    isolationLevel: number;
    topics: { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[];
  }): { readonly apiKey: number };
}
