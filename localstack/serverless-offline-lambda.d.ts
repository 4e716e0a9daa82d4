/** serverless-offline's own runner of functions: an exported entry without types. */
declare module 'serverless-offline/lambda' {
  export interface LambdaFunction {
    setEvent(event: unknown): void;
    /** @throws what the handler throws. */
    runHandler(): Promise<unknown>;
  }
  export default class Lambda {
    constructor(serverless: unknown, options: object);
    create(functions: readonly { readonly functionKey: string; readonly functionDefinition: unknown }[]): void;
    get(functionKey: string): LambdaFunction;
    /** Ends the workers. */
    cleanup(): Promise<void>;
  }
}
