import type { S3Client } from '@aws-sdk/client-s3';
import { TidemarkError } from '../runtime/error.ts';
import type { Sink } from './sink.ts';

/** A file is there, or another put of it is under way: S3 answers a conditional write with these. */
const PRECONDITION_FAILED = 412;
const CONFLICT = 409;

/**
 * A bucket as a sink. The client is loaded with the first file: most invocations write none.
 *
 * @throws STORE_BUSY when another put of the same name is under way; the SDK's own errors otherwise.
 * @source https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
 */
export function s3Sink(bucket: string, prefix: string): Sink {
  let client: S3Client | undefined;
  return {
    async put(name, content) {
      const { PutObjectCommand, S3Client, S3ServiceException } = await import('@aws-sdk/client-s3');
      client ??= new S3Client({});
      const Key = prefix === '' ? name : `${prefix}/${name}`;
      try {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: content, IfNoneMatch: '*' }));
        return 'put';
      } catch (error) {
        const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
        if (status === PRECONDITION_FAILED) return 'was there';
        if (status === CONFLICT) throw new TidemarkError('STORE_BUSY', `s3: ${Key} is being put`, {}, error);
        throw error;
      }
    },
  };
}
