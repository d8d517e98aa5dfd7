// esbuild takes stylesheets in; TypeScript needs to know that they may be imported.
declare module "*.css";
