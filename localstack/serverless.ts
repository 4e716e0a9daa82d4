/** What our plugins use of Serverless and of serverless-offline; neither brings types for plugins. */
export interface Serverless {
  readonly service: Service;
  readonly serviceDir: string;
  readonly pluginManager: { readonly plugins: readonly unknown[] };
  getProvider(name: 'aws'): {
    readonly naming: { getMSKEventLogicalId(functionKey: string, cluster: string, topic: string): string };
  };
  /** Its constructor makes an error that is shown as its message alone, without a stack. */
  readonly classes: { readonly Error: new (message: string, code: string) => Error };
}

/** `serverless.yml`, variables filled in. */
export interface Service {
  readonly custom?: Readonly<Record<string, unknown>>;
  readonly provider: { environment?: Environment };
  readonly package: { individually?: boolean; excludeDevDependencies?: boolean };
  readonly resources?: { readonly extensions?: Readonly<Record<string, { readonly Properties?: Fields }>> };
  getAllFunctions(): readonly string[];
  getFunction(functionKey: string): FunctionDeclaration;
}

export interface FunctionDeclaration {
  handler: string;
  readonly name: string;
  readonly environment?: Environment;
  events: readonly Readonly<Record<string, unknown>>[];
  package?: { readonly individually?: boolean; readonly patterns?: readonly string[] };
}

export type Environment = Record<string, unknown>;
export type Fields = Readonly<Record<string, unknown>>;

/** The third argument of a plugin's constructor. */
export interface PluginUtilities {
  readonly log: { notice(text: string): void; info(text: string): void };
}
