/** The page of a watched run. Texts with data-text are filled in by client/texts.ts. */
export const pageHtml = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Xinghe</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M1 3c3 7 6 9 14 10' stroke='%233b82f6' stroke-width='2.5' fill='none' stroke-linecap='round'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/style.css">
<script type="module" src="/client/main.js"></script>
</head>
<body>
<header>
  <div class="heading">
    <h1 id="title">…</h1>
    <p id="status" class="status" role="status" data-state="connecting"><span class="dot" aria-hidden="true"></span><span id="status-text"></span></p>
  </div>
  <div class="tools">
    <button type="button" id="language"></button>
    <button type="button" id="theme"></button>
  </div>
  <div class="course">
    <div id="bar" class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="0"><div id="bar-fill"></div></div>
    <p><span id="step-text"></span><span id="time-text"></span></p>
  </div>
</header>
<main>
  <nav class="runs hidden" id="runs"></nav>
  <section class="figures" id="figures"></section>
  <section class="card large" aria-labelledby="loss-title">
    <div class="card-head">
      <h2 id="loss-title" data-text="loss"></h2>
      <div class="controls">
        <label><input type="checkbox" id="log-x"> <span data-text="logX"></span></label>
        <label><input type="checkbox" id="log-y"> <span data-text="logY"></span></label>
        <label><input type="checkbox" id="shows-all"> <span data-text="showsAll"></span></label>
        <label><span data-text="smoothing"></span> <input type="range" id="smoothing" min="0" max="99" step="1" value="80"></label>
      </div>
    </div>
    <div class="chart" id="chart-loss"></div>
  </section>
  <div class="grid">
    <section class="card hidden" id="tasks-card" aria-labelledby="tasks-title"><div class="card-head"><h2 id="tasks-title" data-text="tasks"></h2></div><div class="chart" id="chart-tasks"></div></section>
    <section class="card hidden" id="rewards-card" aria-labelledby="rewards-title"><div class="card-head"><h2 id="rewards-title" data-text="rewards"></h2></div><div class="chart" id="chart-rewards"></div></section>
    <section class="card hidden" id="accuracies-card" aria-labelledby="accuracies-title"><div class="card-head"><h2 id="accuracies-title" data-text="accuracies"></h2></div><div class="chart" id="chart-accuracies"></div></section>
    <section class="card hidden" id="logps-card" aria-labelledby="logps-title"><div class="card-head"><h2 id="logps-title" data-text="logps"></h2></div><div class="chart" id="chart-logps"></div></section>
    <section class="card hidden" id="distillation-card" aria-labelledby="distillation-title"><div class="card-head"><h2 id="distillation-title" data-text="distillation"></h2></div><div class="chart" id="chart-distillation"></div></section>
    <section class="card" aria-labelledby="rate-title"><div class="card-head"><h2 id="rate-title" data-text="learningRate"></h2></div><div class="chart" id="chart-learning-rate"></div></section>
    <section class="card" aria-labelledby="norm-title"><div class="card-head"><h2 id="norm-title" data-text="gradNorm"></h2></div><div class="chart" id="chart-grad-norm"></div></section>
    <section class="card" aria-labelledby="speed-title"><div class="card-head"><h2 id="speed-title" data-text="speed"></h2></div><div class="chart" id="chart-speed"></div></section>
    <section class="card" aria-labelledby="mfu-title"><div class="card-head"><h2 id="mfu-title" data-text="mfu"></h2></div><div class="chart" id="chart-mfu"></div></section>
    <section class="card" aria-labelledby="memory-title"><div class="card-head"><h2 id="memory-title" data-text="memory"></h2></div><div class="chart" id="chart-memory"></div></section>
    <section class="card" aria-labelledby="phases-title"><div class="card-head"><h2 id="phases-title" data-text="phases"></h2></div><div class="chart" id="chart-phases"></div></section>
  </div>
  <section class="card" aria-labelledby="samples-title">
    <div class="card-head"><h2 id="samples-title" data-text="samples"></h2></div>
    <div id="samples" class="samples"></div>
  </section>
  <details class="card setup">
    <summary><h2 data-text="setup"></h2></summary>
    <div id="setup" class="scroll"></div>
  </details>
</main>
<noscript>This page needs JavaScript. 本页面需要 JavaScript。</noscript>
</body>
</html>
`;
