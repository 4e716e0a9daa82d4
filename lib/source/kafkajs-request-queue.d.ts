/** The part of kafkajs' request queue, private to kafkajs and without types, that {@link file://./kafkajs.ts} mends. */
declare module 'kafkajs/src/network/requestQueue/index.js' {
  interface RequestQueue {
    readonly pending: readonly unknown[];
    scheduleCheckPendingRequests: (this: RequestQueue) => void;
  }
  const RequestQueue: { readonly prototype: RequestQueue };
  export default RequestQueue;
}
