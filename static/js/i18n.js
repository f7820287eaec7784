/**
 * The translations of Django's JavaScriptCatalog, which is a script of its own; where it did not load, English.
 * https://docs.djangoproject.com/en/5.2/topics/i18n/translation/#using-the-javascript-translation-catalog
 */
export const gettext = (text) => globalThis.gettext?.(text) ?? text;

export const ngettext = (singular, plural, count) =>
  globalThis.ngettext?.(singular, plural, count) ?? (count === 1 ? singular : plural);

/** "%(name)s is here" and {name: "Ada"} → "Ada is here". */
export const interpolate = (format, values) => format.replace(/%\((\w+)\)s/g, (_, name) => String(values[name]));
