/** A style sheet that is imported goes into the page's own. */
declare module "*.css";
