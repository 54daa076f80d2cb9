/** What the build turns into strings. */
declare module "icon:*" {
  const path: string;
  export default path;
}
declare module "*.css" {
  const text: string;
  export default text;
}
