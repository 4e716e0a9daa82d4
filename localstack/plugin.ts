import Lambda from 'serverless-offline/lambda';

import { TidemarkError } from '../lib/runtime/error.ts';
import { declaredMappings, type DeclaredMapping } from './mapping.ts';
import { startPoller, type Poller } from './poller.ts';
import { declaredTicks, startTicks, type Tick } from './schedules.ts';
import type { PluginUtilities, Serverless } from './serverless.ts';
import { readSettings, type WorldSettings } from './settings.ts';
import { startWorld, type World } from './world.ts';

/** What of serverless-offline's plugin object we wrap. */
interface ServerlessOffline {
  start(): Promise<void>;
  end(skipExit?: boolean): Promise<void>;
}

/**
 * Serverless plugin: gives serverless-offline what it lacks. It has no Kafka events (it ignores `msk` without a word), and
 * its schedules overlap themselves; this plugin runs both, on a Kafka and a DynamoDB it starts if they are not there.
 *
 * Listed before `serverless-offline`. Works under `serverless offline` and `serverless offline start`, which call
 * different hooks. A handler that throws is told in a line and invoked again; one that leaves a promise floating which
 * then rejects ends the whole process, as Node does: the linter's `no-floating-promises` stands against that.
 */
export default class LocalEvents {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;
  private readonly serverless: Serverless;
  private readonly options: object;
  private readonly report: { line(text: string): void; debug(text: string): void; status(text: string): void };
  private mappings: readonly DeclaredMapping[] = [];
  private ticks: readonly Tick[] = [];
  private world: World | undefined;
  private lambda: Lambda | undefined;
  private pollers: readonly Poller[] = [];
  private endTicks: () => void = () => undefined;
  private isStopping = false;

  constructor(serverless: Serverless, cliOptions: object, { log }: PluginUtilities) {
    this.serverless = serverless;
    this.options = cliOptions;
    this.report = {
      line: (text) => log.notice(text),
      debug: (text) => log.info(text),
      status: () => undefined,
    };
    this.hooks = {
      'before:offline:start:init': () => this.prepare(), // `offline start`
      'after:offline:start:init': () => this.feed(),
      'offline:start:end': () => this.stop(),
      'before:offline:start': () => this.prepare(), // `offline`, which has no hook once it is up: `prepare` wraps it
    };
  }

  /** Before serverless-offline reads the functions: the servers, the environment, the events it must leave to us. */
  private async prepare(): Promise<void> {
    try {
      const { service, serviceDir } = this.serverless;
      const selected = selectedPipelines(process.env['PIPELINES']);
      const pipelinesOf = (key: string): unknown => service.getFunction(key).environment?.['PIPELINES'];
      this.mappings = declaredMappings(this.serverless, (key) => selected(pipelinesOf(key)));
      const wanted = process.env['TIDEMARK_SCHEDULES']?.split(','); // names of functions; all unless it is set
      this.ticks = declaredTicks(service).filter(
        ({ functionKey, input }) => selected(Object(input)['pipeline']) && (wanted?.includes(functionKey) ?? true),
      );
      this.wrapOffline();
      const settings = readSettings(process.env, serviceDir);
      this.world = await this.startWorld(settings);
      this.setEnvironment(this.world, settings);
      for (const key of service.getAllFunctions()) {
        const declaration = service.getFunction(key);
        declaration.events = declaration.events.filter((event) => !('schedule' in event));
      }
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      throw new this.serverless.classes.Error(error.message, error.code);
    }
  }

  private async startWorld(settings: WorldSettings): Promise<World> {
    const isOurs = settings.brokers === undefined || settings.dynamodbEndpoint === undefined;
    let isInterrupted = false;
    // serverless-offline does not listen for signals yet, and to end now would leave behind what is being started.
    const interrupt = (): void => {
      if (!isOurs) process.exit(130);
      isInterrupted = true;
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
    const world = await startWorld(settings, this.report);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
    if (isInterrupted) {
      await world.stop();
      process.exit(130);
    }
    void world.failed.then((error) => {
      this.report.line(error.message);
      process.exitCode = 1;
      return process.kill(process.pid, 'SIGTERM'); // serverless-offline ends in order, and calls our `stop`
    });
    return world;
  }

  /** What the functions find on AWS by their role, their region and `serverless.yml`. */
  private setEnvironment({ brokers, dynamodbEndpoint }: World, { sinkUrl }: WorldSettings): void {
    const { provider } = this.serverless.service;
    provider.environment = {
      ...provider.environment,
      KAFKA_BROKERS: brokers,
      KAFKA_AUTH: 'none', // the poller knows no other
      SINK_URL: sinkUrl,
    };
    const { host = 'localhost', lambdaPort = 3002 } = this.offlineOptions();
    process.env['AWS_ENDPOINT_URL_DYNAMODB'] = dynamodbEndpoint;
    process.env['AWS_ENDPOINT_URL_LAMBDA'] ??= `http://${host}:${lambdaPort}`;
    if (process.env['AWS_ACCESS_KEY_ID'] === undefined && process.env['AWS_PROFILE'] === undefined) {
      process.env['AWS_ACCESS_KEY_ID'] = 'local';
      process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
    }
  }

  private offlineOptions(): { readonly host?: string; readonly lambdaPort?: string | number } {
    return { ...Object(this.serverless.service.custom?.['serverless-offline']), ...this.options };
  }

  /** `offline` calls these two methods where `offline start` calls hooks. */
  private wrapOffline(): void {
    const isOffline = (plugin: unknown): plugin is ServerlessOffline =>
      Object(plugin).constructor.name === 'ServerlessOffline';
    const offline = this.serverless.pluginManager.plugins.find(isOffline);
    if (!offline) {
      throw new TidemarkError('LOCAL_WORLD', 'serverless.yml: serverless-offline is missing from plugins');
    }
    const start = offline.start.bind(offline);
    const end = offline.end.bind(offline);
    offline.start = async () => {
      await start();
      await this.feed();
    };
    offline.end = async (skipExit) => {
      await this.stop();
      await end(skipExit);
    };
  }

  /** Once the functions can be called: first the pollers, so that nothing the schedules send is missed under LATEST. */
  private async feed(): Promise<void> {
    const { brokers } = this.world ?? {};
    if (brokers === undefined || this.isStopping) return;
    const { service } = this.serverless;
    this.lambda = new Lambda(this.serverless, this.offlineOptions());
    this.lambda.create(
      service
        .getAllFunctions()
        .map((functionKey) => ({ functionKey, functionDefinition: service.getFunction(functionKey) })),
    );
    const [key] = service.getAllFunctions();
    if (key !== undefined) keepRejections(this.lambda.get(key));
    this.pollers = this.mappings.map((mapping) =>
      startPoller({
        brokers: brokers.split(','),
        mapping,
        invoke: (event) => this.invoke(mapping.functionKey, event),
        report: this.report,
      }),
    );
    void this.tickWhenReady();
  }

  private async tickWhenReady(): Promise<void> {
    await Promise.all(this.pollers.map(({ ready }) => ready));
    if (this.isStopping) return;
    this.endTicks = startTicks(this.ticks, (key, input) => this.invoke(key, input), this.report);
  }

  private async invoke(functionKey: string, event: unknown): Promise<unknown> {
    const running = this.lambda?.get(functionKey);
    running?.setEvent(event);
    return running?.runHandler();
  }

  /** Within 3 s: no more ticks, pollers leave their groups, workers end, and then the servers they used. */
  private async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    this.endTicks();
    await Promise.all(this.pollers.map((poller) => poller.stop()));
    await this.lambda?.cleanup();
    await this.world?.stop();
  }
}

/**
 * An invocation of type `Event` is answered at once, and serverless-offline awaits nothing of it: the failure of one would
 * end the whole host as an unhandled rejection. Who awaits an invocation still gets its failure.
 *
 * @source serverless-offline 14.8.2, src/lambda/routes/invocations/InvocationsController.js.
 */
function keepRejections(anyFunction: object): void {
  const prototype = Object.getPrototypeOf(anyFunction) as { runHandler: () => Promise<unknown> };
  const { runHandler } = prototype;
  prototype.runHandler = function runHandled() {
    const run = runHandler.call(this);
    run.catch(() => undefined);
    return run;
  };
}

/** Which pipelines the user asked for: all, unless `PIPELINES` names some. What names no pipeline always takes part. */
function selectedPipelines(wanted: string | undefined): (names: unknown) => boolean {
  const namesIn = (text: string): string[] =>
    text
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
  const chosen = new Set(namesIn(wanted ?? ''));
  return (names) => chosen.size === 0 || typeof names !== 'string' || namesIn(names).some((name) => chosen.has(name));
}
