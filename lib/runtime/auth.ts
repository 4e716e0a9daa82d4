import type { KafkaAuth } from '../source/kafkajs.ts';
import type { Config } from './config.ts';

/** How clients prove to the brokers who they are. */
export function kafkaAuth({ kafkaAuth: kind, region }: Config): KafkaAuth {
  switch (kind) {
    case 'none':
      return {};
    case 'iam':
      return {
        ssl: true,
        sasl: {
          mechanism: 'oauthbearer',
          oauthBearerProvider: async () => {
            const { generateAuthToken } = await import('aws-msk-iam-sasl-signer-js');
            const { token } = await generateAuthToken({ region });
            return { value: token };
          },
        },
      };
  }
}
