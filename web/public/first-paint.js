// Runs before the first paint, so that a chosen theme does not flash; the page itself comes as a module, later.
try {
  const { theme, language } = JSON.parse(localStorage.getItem('xinghe.preferences') ?? '{}');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  if (language === 'en') document.documentElement.lang = 'en';
} catch {
  // Storage is closed to this page, or its content is not ours: the defaults stand.
}
