/** The frame of the page. Texts with data-text are filled in by client/texts.ts. */
export const reportBody = `<header>
  <div class="heading"><p class="kind" id="kind"></p><h1 id="title"></h1><p id="about-run" class="soft"></p></div>
  <div class="tools"><button type="button" id="language"></button><button type="button" id="theme"></button></div>
</header>
<main>
  <section aria-labelledby="scores-title">
    <div class="section-head"><h2 id="scores-title" data-text="scores"></h2><ul class="legend" id="legend"></ul></div>
    <div id="warnings"></div>
    <div id="tasks" class="tasks"></div>
  </section>
  <section aria-labelledby="samples-title" class="samples">
    <div class="section-head"><h2 id="samples-title" data-text="samples"></h2><p id="store" class="soft"></p></div>
    <form class="filters" id="filters" role="search">
      <label class="search"><span class="hidden-text" data-text="search"></span><input type="search" id="search" autocomplete="off" spellcheck="false"></label>
      <label><span class="hidden-text" data-text="task"></span><select id="task"></select></label>
      <label><span class="hidden-text" data-text="group"></span><select id="group"></select></label>
      <label><span class="hidden-text" data-text="verdict"></span><select id="verdict"></select></label>
      <label class="check"><input type="checkbox" id="empty"> <span data-text="nothingExtracted"></span></label>
      <output id="count" for="search task group verdict empty"></output>
    </form>
    <div class="browser" id="browser">
      <div class="list" id="list" role="listbox" tabindex="0"><div id="rows"></div></div>
      <article class="sample" id="sample" tabindex="-1"></article>
    </div>
    <p class="soft hint" data-text="keys"></p>
  </section>
  <section aria-labelledby="made-title">
    <details class="card" id="made"><summary><h2 id="made-title" data-text="made"></h2></summary><div id="facts"></div></details>
  </section>
</main>
<noscript>This page needs JavaScript; the same results are in results.md and results.json beside it. 本页面需要 JavaScript；同目录的 results.md 与 results.json 有同样的结果。</noscript>`;
