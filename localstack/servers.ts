import type { Crew, Part } from './crew.ts';
import { dynamodbPart } from './dynamodb.ts';
import { prepareKafka } from './kafka.ts';
import { assertPortsFree, type WantedPort } from './ports.ts';
import type { WorldSettings } from './settings.ts';
import type { Screen } from './status-line.ts';

/** Makes ready what has to be started, each unless the user brought one: ports, downloads, formatted folders. */
export async function prepareServers(settings: WorldSettings, screen: Screen, signal: AbortSignal): Promise<Part[]> {
  await assertPortsFree(wantedPorts(settings));
  return [
    ...(settings.dynamodbEndpoint === undefined ? [dynamodbPart(settings)] : []),
    ...(settings.brokers === undefined ? [await prepareKafka(settings, screen, signal)] : []),
  ];
}

/** Starts the servers side by side and says when each is up. */
export async function startServers(parts: readonly Part[], screen: Screen, crew: Crew): Promise<void> {
  const started = performance.now();
  await Promise.all(
    parts.map(async (part) => {
      await crew.run(part);
      screen.line(`${part.name} is up on ${part.address} (${((performance.now() - started) / 1000).toFixed(1)} s).`);
    }),
  );
}

function wantedPorts(settings: WorldSettings): WantedPort[] {
  const kafka = [
    { port: settings.kafkaPort, user: 'Kafka', setting: 'KAFKA_PORT' },
    { port: settings.controllerPort, user: "Kafka's controller", setting: 'KAFKA_CONTROLLER_PORT' },
  ];
  const dynamodb = [{ port: settings.dynamodbPort, user: 'DynamoDB', setting: 'DYNAMODB_PORT' }];
  return [
    ...(settings.brokers === undefined ? kafka : []),
    ...(settings.dynamodbEndpoint === undefined ? dynamodb : []),
  ];
}
