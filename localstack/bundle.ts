import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { build } from 'esbuild';

import type { Serverless } from './serverless.ts';

/** CommonJS packages (kafkajs) call `require`, which a bundle of modules has to bring itself. */
const requireForCommonJs =
  "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);";

/**
 * Serverless plugin: bundles each function with esbuild before it is packaged, one zip with one file and its source map.
 * Serverless itself has no bundler and would zip TypeScript with all of node_modules.
 */
export default class Bundle {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless) {
    this.hooks = { 'before:package:createDeploymentArtifacts': () => bundle(serverless) };
  }
}

async function bundle({ service, serviceDir }: Serverless): Promise<void> {
  await rm(join(serviceDir, '.build'), { recursive: true, force: true });
  await Promise.all(
    service.getAllFunctions().map(async (name) => {
      const definition = service.getFunction(name);
      const dot = definition.handler.lastIndexOf('.');
      const [file, symbol] = [definition.handler.slice(0, dot), definition.handler.slice(dot + 1)];
      await build({
        absWorkingDir: serviceDir,
        entryPoints: [`${file}.ts`],
        outfile: `.build/${name}/index.mjs`,
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node24',
        minify: true,
        keepNames: true, // names of errors and steps are read in logs and fingerprints
        mainFields: ['module', 'main'], // the AWS SDK's modules are smaller than what `main` names
        banner: { js: requireForCommonJs },
        sourcemap: 'linked',
        sourcesContent: false, // stacks need positions only
      });
      definition.handler = `.build/${name}/index.${symbol}`;
      definition.package = { ...definition.package, individually: true, patterns: ['!**', `.build/${name}/**`] };
    }),
  );
  service.package.individually = true;
  service.package.excludeDevDependencies = false; // nothing of node_modules is in the zips
}
