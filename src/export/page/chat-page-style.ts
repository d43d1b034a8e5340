/** How the page looks: light or dark as the system says; the colours are those of the chat page. */
export const chatPageStyle = `
:root{color-scheme:light dark;--ground:light-dark(#f5f6f8,#10141c);--surface:light-dark(#fff,#171d27);--line:light-dark(#dfe4ea,#262f3c);
--line-strong:light-dark(#c5cdd6,#3a4656);--text:light-dark(#1b2733,#dde4eb);--soft:light-dark(#586674,#98a5b3);--river:light-dark(#23597c,#8fbbd6);
--wash:light-dark(#e4edf3,#1b2b39);--star:light-dark(#a8701c,#ecc383);--wrong:light-dark(#b23a2e,#ee9a8d)}
*{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0 auto;max-width:820px;height:100dvh;display:grid;grid-template-rows:auto 1fr auto;background:var(--ground);color:var(--text);
 font:16px/1.55 system-ui,-apple-system,"Segoe UI","PingFang SC","Microsoft YaHei","Noto Sans CJK SC","Noto Sans SC",sans-serif;font-variant-numeric:tabular-nums}
header{display:flex;justify-content:space-between;align-items:start;gap:16px;padding:18px clamp(14px,3vw,28px) 12px;border-bottom:1px solid var(--line)}
h1{font-size:19px;font-weight:650;line-height:1.3;overflow-wrap:anywhere}h1,p,ol{margin:0;padding:0}
.soft{color:var(--soft);font-size:13px}.fault{color:var(--wrong)}
main{overflow-y:auto;padding:18px clamp(14px,3vw,28px)}
.card{background:var(--surface);border:1px solid var(--line);border-radius:14px;padding:18px 20px;display:grid;gap:14px;justify-items:start}
#messages{list-style:none;display:grid;gap:16px}
#messages b{display:block;font-size:12.5px;font-weight:600;color:var(--star);margin-bottom:3px}
#messages .text{white-space:pre-wrap;overflow-wrap:anywhere}
#messages .user{justify-self:end;max-width:85%;background:var(--wash);border-radius:14px;padding:8px 14px}
#messages .user b{color:var(--river)}#messages .assistant .text:empty::after{content:"…";color:var(--soft)}
footer{padding:12px clamp(14px,3vw,28px) 16px;border-top:1px solid var(--line);display:grid;gap:8px}
form{display:flex;gap:8px;align-items:stretch}
textarea{flex:1;min-width:0;resize:none;font:inherit;color:var(--text);background:var(--surface);border:1px solid var(--line-strong);border-radius:12px;padding:8px 12px}
button,.button{font:inherit;font-size:14px;color:var(--text);background:var(--surface);border:1px solid var(--line-strong);border-radius:10px;padding:6px 14px;cursor:pointer}
button.main,.button{background:var(--river);border-color:var(--river);color:light-dark(#fff,#10141c)}
button:hover,.button:hover{border-color:var(--text)}button:disabled{opacity:.45;cursor:default}
.button input{position:absolute;opacity:0;width:1px;height:1px}.button:focus-within{outline:2px solid var(--river);outline-offset:2px}
:focus-visible{outline:2px solid var(--river);outline-offset:2px}
.line{display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 20px;align-items:center}
.line label{display:inline-flex;gap:8px;align-items:center}input[type=range]{width:110px;accent-color:var(--river)}output{min-width:2ch}
`;
